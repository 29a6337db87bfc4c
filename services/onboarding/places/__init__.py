"""Italian towns: where a comune is. `places.csv` is made by `make.py` from open data and read once.

Coordinates: GeoNames (CC BY 4.0). Names and provinces: ISTAT's list of comuni.
"""

import csv
from functools import cache
from pathlib import Path

from schemas.catalogue import Place

TABLE = Path(__file__).with_name("places.csv")


def _key(comune: str, provincia: str) -> tuple[str, str]:
    return comune.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").strip(), provincia.upper()


@cache
def _table() -> dict[tuple[str, str], Place]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            _key(row["comune"], row["provincia"]): Place(
                comune=row["comune"], provincia=row["provincia"], regione=row["regione"],
                lat=float(row["lat"]), lon=float(row["lon"]),
            )
            for row in csv.DictReader(file)
        }  # fmt: skip


def find(comune: str, provincia: str) -> Place | None:
    """The place of a comune; None when the table does not know it (about one in twenty-five)."""
    return _table().get(_key(comune, provincia))
