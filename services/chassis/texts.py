"""Texts of others: as one line that a person reads, and as what may go into a row, an event or a header."""

import re
import unicodedata

UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that break or reorder a line, or steer a terminal: controls, formats such as bidi marks, separators."""

TEXT_LENGTH_MAX = 500
"""Short enough for every text of an event, with what is put before it."""

_BLANKS = re.compile(" {2,}")


def one_line(text: object, length_max: int | None = None) -> str:
    """One line of what can be seen, whatever the value holds; cut to so many characters."""
    seen = "".join(" " if unicodedata.category(sign) in UNSEEN else sign for sign in str(text))
    return _BLANKS.sub(" ", seen).strip(" ")[:length_max]


def lines(text: str) -> str:
    """A message of ours that may hold several lines, each of them one line of what can be seen, its indent kept."""
    return "\n".join(
        " " * (len(line) - len(line.lstrip(" "))) + one_line(line) for line in text.split("\n")
    )


def bounded(text: str) -> str:
    """A text that PostgreSQL, JSON and every schema take: no control characters or lone surrogates, cut with an ellipsis."""
    beginning = text[: TEXT_LENGTH_MAX + 1]
    clean = "".join(sign if sign.isprintable() else " " for sign in beginning).strip()
    return clean if len(beginning) <= TEXT_LENGTH_MAX else clean[: TEXT_LENGTH_MAX - 1] + "…"
