"""A console full of data on a thread of its own, and one Chromium for all tests, signed in or a stranger."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from anyio.from_thread import start_blocking_portal
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from services.console.app import ConsoleSettings, build
from tests.browser.person import Person
from tests.browser.story import story
from tests.support.databases import fresh_database
from tests.support.running import Running, running, settings_for
from tests.support.servers import Addresses
from tests.support.skips import installed

QUIET = (
    "--headless=new", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


@dataclass(frozen=True)
class Programs:
    """Debian's browser and its driver."""

    browser: str
    driver: str


@pytest.fixture(scope="session")
def programs() -> Programs:
    return Programs(*installed("chromium", "chromedriver"))


@asynccontextmanager
async def _furnished(addresses: Addresses) -> AsyncIterator[Running]:
    async with fresh_database(addresses.superuser_url) as database:
        prefix = f"t{uuid4().hex[:8]}."
        settings = await settings_for(
            ConsoleSettings, "console", database, addresses.bootstrap, prefix
        )
        async with running(build(settings)) as service:
            await service.publish(*story())
            await service.settled()
            yield service


@pytest.fixture(scope="package")
def console_url(programs: Programs, addresses: Addresses) -> Iterator[str]:
    """The console needs its own thread: the driver waits in this one.

    It must not outlive these tests: its Kafka client draws from the global `random`, and Hypothesis fails any test
    that comes after in this process when that changes under it.
    """
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_furnished(addresses)) as console,
    ):
        yield console.url


def _options(programs: Programs, profile: Path) -> ChromeOptions:
    options = ChromeOptions()
    options.binary_location = programs.browser
    for argument in (
        *QUIET,
        f"--user-data-dir={profile}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return options


@pytest.fixture(scope="package")
def chromium(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = _options(programs, tmp_path_factory.mktemp("profile"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NO_PROXY", "127.0.0.1,localhost")
        driver = Chrome(options, Service(executable_path=programs.driver))
        yield driver
        driver.quit()


@pytest.fixture
def stranger(chromium: Chrome, console_url: str, tmp_path: Path) -> Iterator[Person]:
    """Somebody at a scenario who has not signed in. What they saw last is kept as a picture."""
    person = Person(chromium, console_url)
    person.starts_afresh()
    yield person
    chromium.save_screenshot(str(tmp_path / "last.png"))


@pytest.fixture
def operator(stranger: Person) -> Person:
    """The same, signed in the way people do."""
    stranger.signs_in("operator-for-tests")
    return stranger
