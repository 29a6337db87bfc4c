"""Italian towns: where a comune is. The tables beside this file are read once.

`places.csv` is made by `make.py` from open data; `aliases.csv` has short names in common use, `provinces.csv` which
provinces took towns over from which: an order may still name the old one. Coordinates: GeoNames (CC BY 4.0). Names and
provinces: ISTAT's list of comuni.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from schemas.catalogue import Place
from services.onboarding.places.names import forms, spellings

TABLE = Path(__file__).with_name("places.csv")
CANDIDATES_MAX = 3
SIMILAR_FROM = 0.75
"""How alike (0 to 1) a name must be to be offered."""

Index = dict[tuple[str, str], set[Place]]


def _rows(name: str) -> Iterator[dict[str, str]]:
    with TABLE.with_name(name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@cache
def _indexes() -> tuple[Index, Index, Index]:
    """Towns by form of their name and provincia, the strictest form first."""
    found: tuple[Index, Index, Index] = (defaultdict(set), defaultdict(set), defaultdict(set))
    towns: dict[tuple[str, str], Place] = {}

    def enter(name: str, place: Place) -> None:
        for index, form in zip(found, forms(name), strict=True):
            index[form, place.provincia].add(place)

    for row in _rows(TABLE.name):
        place = Place(
            comune=row["comune"], provincia=row["provincia"], regione=row["regione"],
            lat=float(row["lat"]), lon=float(row["lon"]),
        )  # fmt: skip
        towns[place.comune, place.provincia] = place
        for name in spellings(row["comune"], row["other"]):
            enter(name, place)
    for row in _rows("aliases.csv"):
        enter(row["name"], towns[row["comune"], row["provincia"]])
    return found


@cache
def _successors() -> dict[str, frozenset[str]]:
    taken: dict[str, set[str]] = defaultdict(set)
    for row in _rows("provinces.csv"):
        taken[row["old"]].add(row["new"])
    return {old: frozenset(new) for old, new in taken.items()}


def find(comune: str, provincia: str) -> Place | None:
    """The one place that a name can mean; None when the table knows none (about one in twenty-five), or several.

    A name is looked for in its provincia, in each form from strict to loose, and then in the provinces that took towns
    over from it.
    """
    code = provincia.upper()
    written = forms(comune)
    for provinces in ({code}, _successors().get(code, frozenset())):
        for index, form in zip(_indexes(), written, strict=True):
            places = set[Place]().union(*(index.get((form, each), set()) for each in provinces))
            if places:
                return next(iter(places)) if len(places) == 1 else None
    return None


def candidates(comune: str, provincia: str) -> tuple[Place, ...]:
    """The places that were perhaps meant, likeliest first: the same name elsewhere, or a name like it in the provincia."""
    code = provincia.upper()
    *_, loosest = forms(comune)
    index = _indexes()[-1]
    near = {code} | _successors().get(code, frozenset())
    known = [form for form, each in index if each in near]
    similar = get_close_matches(loosest, known, CANDIDATES_MAX, SIMILAR_FROM)
    here = [
        place
        for form in similar
        for each in sorted(near)
        for place in sorted(index.get((form, each), set()), key=_name)
    ]
    elsewhere = [
        place
        for (form, each), places in index.items()
        if form == loosest and each not in near
        for place in places
    ]
    return tuple(dict.fromkeys(here + sorted(elsewhere, key=_name)))[:CANDIDATES_MAX]


def _name(place: Place) -> tuple[str, str]:
    return place.comune, place.provincia
