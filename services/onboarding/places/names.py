"""How people write the name of an Italian town, reduced to what does not differ.

Forms go from strict to loose: accents, apostrophes, case, hyphens, slashes and blanks never count (`FORLI'`,
`Bolzano - Bozen`); then `S.`, `Sto`, `San`, `Santa` are one word; then particles fall away (`Reggio Emilia`).
"""

import re
import unicodedata
from itertools import permutations

SAINTS = frozenset(
    (
        "s",
        "ss",
        "st",
        "sto",
        "sta",
        "san",
        "sant",
        "santo",
        "santa",
        "santi",
        "sante",
        "saint",
        "sainte",
        "sankt",
    )
)
ABBREVIATED = frozenset(("sul", "sull", "sullo", "sulla"))
"""Also written `s.` or `s/`: Cernusco s. Naviglio."""

PARTICLES = frozenset(
    (
        "a", "ad", "al", "all", "alla", "ai", "agli", "alle", "d", "da", "dal", "dall", "dalla", "dai", "de", "dei",
        "degli", "del", "dell", "della", "delle", "dello", "di", "e", "ed", "il", "in", "l", "la", "le", "lo", "i",
        "gli", "ne", "nel", "nell", "nella", "nei", "nelle",
    )
)  # fmt: skip

_SHORT_SAINT = re.compile(r"\bs\.?\s?t([oaie])\b\.?")
_IN_BRACKETS = re.compile(r"\(\s*[A-Za-z]{2}\s*\)\s*$")


def _words(name: str) -> list[str]:
    bare = unicodedata.normalize("NFKD", _IN_BRACKETS.sub("", name)).casefold()
    plain = "".join(c for c in bare if not unicodedata.combining(c))
    return re.findall(r"\w+", _SHORT_SAINT.sub(r"st\1 ", plain))


def forms(name: str) -> tuple[str, str, str]:
    """The strict, the loose and the loosest form of a name; empty ones for what has no letter or digit."""
    words = _words(name)
    saintly = ["s" if word in SAINTS or word in ABBREVIATED else word for word in words]
    bare = [word for word in saintly if word not in PARTICLES] or saintly
    return "".join(words), "".join(saintly), "".join(bare)


def spellings(comune: str, other: str) -> list[str]:
    """The official names of a town: its Italian one, those in another language, and any of them together."""
    names = [comune, *filter(None, other.split("/"))]
    return ["/".join(chosen) for n in range(1, len(names) + 1) for chosen in permutations(names, n)]
