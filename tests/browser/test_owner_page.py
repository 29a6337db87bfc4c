"""The owner's page, the way the owner meets it: from the mail, on a phone or at a desk, with nothing to learn."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from tests.browser.conftest import Programs
from tests.browser.person import DESK, PHONE, Person
from tests.integration.gateway.village import open_village
from tests.support.servers import Addresses

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Home:
    """Where the page is, and the way in."""

    url: str
    link: str
    invoice: str


@asynccontextmanager
async def _furnished(addresses: Addresses) -> AsyncIterator[Home]:
    async with open_village(addresses) as village:
        invoice = village.street.ids["A"]["/v1/invoices"]
        yield Home(village.street.world.gateway.url, village.link(), f"/mia/fatture/{invoice}")


@pytest.fixture(scope="module")
def home(programs: Programs, addresses: Addresses) -> Iterator[Home]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_furnished(addresses)) as found,
    ):
        yield found


@pytest.fixture
def owner(chromium: Chrome, home: Home, tmp_path: Path) -> Iterator[Person]:
    person = Person(chromium, home.url)
    person.starts_afresh()
    yield person
    chromium.save_screenshot(str(tmp_path / "last.png"))


def check(person: Person, path: str, status: int = 200) -> None:
    """A page on both screens, in light and in dark: whole, quiet, its own, and axe finds nothing."""
    for size, scheme in ((DESK, "light"), (PHONE, "dark")):
        person.sits_at(size)
        person.prefers(scheme)
        person.opens(path)
        seen, where = person.sees(), f"{path} on {size}, {scheme}"
        assert (seen.status, seen.lang, len(seen.headings)) == (status, "it", 1), where
        assert seen.content <= seen.width, f"{where} is pushed sideways"
        assert (seen.scripts, seen.unnamed) == (0, []), where
        assert [name for name in seen.resources if not name.startswith(person.url)] == [], where
        assert person.faults() == [], where
    person.prefers("light")
    person.sits_at(DESK)


def test_every_page_reads_well_on_a_phone_and_at_a_desk(owner: Person, home: Home) -> None:
    check(owner, "/mia")
    owner.opens(home.link)
    assert owner.path == "/mia"
    for path in ("/mia", home.invoice):
        check(owner, path)
    check(owner, "/mia/fatture/none", 404)


def test_the_owner_says_what_is_wrong_with_the_keyboard_alone(owner: Person, home: Home) -> None:
    owner.opens(home.link)
    said = owner.driver.find_element(By.ID, "cosa")
    said.send_keys("La fattura non parte")
    owner.follows(lambda: owner.types(Keys.TAB, Keys.ENTER))
    assert "La sua persona è stata avvisata" in owner.text
    owner.clicks("Torna alla pagina")
    assert owner.path == "/mia"


def test_whoever_has_no_link_asks_for_one_by_vat_number(owner: Person) -> None:
    owner.opens("/mia")
    owner.driver.find_element(By.ID, "iva").send_keys("IT99001019993")
    owner.follows(lambda: owner.types(Keys.ENTER))
    assert "guardi la posta" in owner.text
