"""A town is found under every spelling that people use, and never another one; what is doubtful is not guessed."""

import csv
from collections.abc import Callable

import pytest

from services.onboarding import places
from services.onboarding.places.names import spellings

with places.TABLE.open(encoding="utf-8", newline="") as file:
    TOWNS = [(row["comune"], row["other"], row["provincia"]) for row in csv.DictReader(file)]

ACCENTS = str.maketrans({"à": "a'", "è": "e'", "é": "e'", "ì": "i'", "ò": "o'", "ù": "u'"})
BARE = str.maketrans("àèéìòùâêîôûäöü", "aeeiouaeiouaou")
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda name: name,
    "capitals": str.upper,
    "small letters": str.lower,
    "apostrophes for accents": lambda name: name.translate(ACCENTS).upper(),
    "no accents": lambda name: name.translate(BARE),
    "curly apostrophes": lambda name: name.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"),
    "backticks": lambda name: name.replace("'", "`"),
    "a blank after an apostrophe": lambda name: name.replace("'", "' "),
    "no apostrophes": lambda name: name.replace("'", " "),
    "hyphens for blanks": lambda name: name.replace(" ", "-"),
    "blanks for hyphens": lambda name: name.replace("-", " "),
    "blanks around hyphens": lambda name: name.replace("-", " - "),
    "double blanks": lambda name: f"  {name.replace(' ', '  ')} ",
    "a saint's letter": lambda name: _each_word(name, "s."),
    "a saint's letter, close": lambda name: _each_word(name, "s.").replace("s. ", "S."),
    "a saint's letter without a dot": lambda name: _each_word(name, "S"),
    "a saint's short form": lambda name: name.replace("Santo ", "Sto ").replace("Santa ", "Sta "),
    "a saint's dotted short form": lambda name: name.replace("Santo ", "S.to ").replace(
        "Santa ", "S.ta "
    ),
}


def _each_word(name: str, short: str) -> str:
    spaced = name.replace("Sant'", "Sant' ")
    return " ".join(
        short if w in ("San", "Sant'", "Santo", "Santa") else w for w in spaced.split(" ")
    )


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_every_town_is_found_under_a_spelling_and_never_another(
    spell: Callable[[str], str],
) -> None:
    wrong = []
    for comune, _, provincia in TOWNS:
        found = places.find(spell(comune), provincia)
        if found is None or (found.comune, found.provincia) != (comune, provincia):
            wrong.append((spell(comune), provincia, found))
    assert wrong == []


def test_towns_of_two_languages_are_found_under_either_name_and_both() -> None:
    wrong = []
    for comune, other, provincia in TOWNS:
        for name in spellings(comune, other):
            for written in (name, name.replace("/", " - "), name.replace("/", "-"), name.upper()):
                found = places.find(written, provincia)
                if found is None or found.comune != comune:
                    wrong.append((written, provincia, found))
    assert wrong == []


KNOWN = [
    ("FORLI'", "FC", "Forlì"), ("Forlì", "FO", "Forlì"), ("Reggio Emilia", "RE", "Reggio nell'Emilia"),
    ("Reggio Calabria", "RC", "Reggio di Calabria"), ("Reggio", "RC", "Reggio di Calabria"),
    ("Bolzano/Bozen", "BZ", "Bolzano"), ("Bozen", "BZ", "Bolzano"), ("S. Donà di Piave", "VE", "San Donà di Piave"),
    ("S.DONA' DI  PIAVE", "VE", "San Donà di Piave"), ("Monza", "MI", "Monza"), ("Monza (MB)", "MB", "Monza"),
    ("Pesaro", "PS", "Pesaro"), ("Lodi", "MI", "Lodi"), ("Lecco", "CO", "Lecco"), ("Prato", "FI", "Prato"),
    ("Biella", "VC", "Biella"), ("Verbania", "NO", "Verbania"), ("Olbia", "OT", "Olbia"), ("Lanusei", "OG", "Lanusei"),
    ("Carbonia", "CI", "Carbonia"), ("Fermo", "AP", "Fermo"), ("Barletta", "BA", "Barletta"), ("Crotone", "CZ", "Crotone"),
    ("Rimini", "FO", "Rimini"), ("Ascoli", "AP", "Ascoli Piceno"), ("Aquila", "AQ", "L'Aquila"),
    ("Cernusco s. Naviglio", "MI", "Cernusco sul Naviglio"), ("Cava dei Tirreni", "SA", "Cava de' Tirreni"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "provincia", "comune"), KNOWN, ids=[f"{n} ({p})" for n, p, _ in KNOWN]
)
def test_a_town_is_found_as_people_write_it(name: str, provincia: str, comune: str) -> None:
    found = places.find(name, provincia)
    assert found is not None, places.candidates(name, provincia)
    assert found.comune == comune


@pytest.mark.parametrize(
    "name", ["", " ", "'", "-", "???", "(MI)", "San", "di", "\N{CJK UNIFIED IDEOGRAPH-4E2D}"]
)
def test_what_names_no_town_is_not_guessed(name: str) -> None:
    assert places.find(name, "MI") is None


def test_a_misspelt_town_is_offered_its_likeliest_names() -> None:
    assert places.find("Torinno", "TO") is None
    assert [place.comune for place in places.candidates("Torinno", "TO")] == ["Torino"]
    assert ("Livo", "TN") in {
        (place.comune, place.provincia) for place in places.candidates("Livo", "TO")
    }
