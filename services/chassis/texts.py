"""A value of somebody else's, as one line that a person reads: in a mail, on a page, at a terminal."""

import re
import unicodedata

UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that break or reorder a line, or steer a terminal: controls, formats such as bidi marks, separators."""

_BLANKS = re.compile(" {2,}")


def one_line(text: object, length_max: int | None = None) -> str:
    """One line of what can be seen, whatever the value holds; cut to so many characters."""
    seen = "".join(" " if unicodedata.category(sign) in UNSEEN else sign for sign in str(text))
    return _BLANKS.sub(" ", seen).strip(" ")[:length_max]


def lines(text: str) -> str:
    """A message of ours that may hold several lines, each of them one line of what can be seen, its indent kept."""
    return "\n".join(" " * (len(line) - len(line.lstrip(" "))) + one_line(line) for line in text.split("\n"))
