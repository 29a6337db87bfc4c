"""A person at the console: what they open, press and see."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.command import Command
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

AXE = Path(str(find_spec("axe_core_python").submodule_search_locations[0])) / "axe.min.js"  # type: ignore[union-attr,index]
DESK, PHONE = (1280, 900), (390, 844)
PATIENCE_SECONDS = 10
LOOK = """
const [visit] = performance.getEntriesByType("navigation");
const root = document.documentElement;
return {
    status: visit.responseStatus, title: document.title, lang: root.lang,
    headings: [...document.querySelectorAll("h1")].map(h => h.innerText),
    resources: performance.getEntriesByType("resource").map(r => r.name),
    scripts: document.scripts.length, width: root.clientWidth, content: root.scrollWidth,
    links: [...document.links].map(a => a.href),
    unnamed: [...document.querySelectorAll("input:not([type=hidden]), select, textarea")]
        .filter(field => field.labels.length === 0).map(field => field.outerHTML),
}
"""


@dataclass(frozen=True)
class Seen:
    """What a page is, as the browser has it."""

    status: int
    title: str
    lang: str
    headings: list[str]
    resources: list[str]
    scripts: int
    width: int
    content: int
    links: list[str]
    unnamed: list[str]


class Person:
    """Looks at the console through a browser."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver, self.url = driver, url

    def starts_afresh(self) -> None:
        """At a scenario, with a browser that knows nothing."""
        self.sits_at(DESK)
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.complaints()  # of an earlier test

    def sits_at(self, size: tuple[int, int]) -> None:
        """Use a screen of this size; the narrow one is a phone's."""
        screen = {
            "width": size[0],
            "height": size[1],
            "deviceScaleFactor": 1,
            "mobile": size == PHONE,
        }
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def opens(self, path: str) -> None:
        """Type an address."""
        self.driver.get(self.url + path)

    def signs_in(self, token: str) -> None:
        """Type the token and press Enter, on the page where it goes in."""
        self.opens("/login")
        self.follows(lambda: self.types(token, Keys.ENTER))

    def clicks(self, link: str) -> None:
        """Follow the link of this name."""
        self.follows(self.driver.find_element(By.LINK_TEXT, link).click)

    def follows(self, act: Callable[[], None]) -> None:
        """Do what leads to another page, and wait until it is there whole."""
        self.driver.execute_script("window.left = true")
        act()
        self.waits(
            lambda: self.driver.execute_script(
                "return !window.left && document.readyState === 'complete'"
            )
        )

    def waits(self, condition: Callable[[], Any]) -> Any:
        """Wait, not for ever, until it is so."""
        return WebDriverWait(self.driver, PATIENCE_SECONDS, poll_frequency=0.02).until(
            lambda _: condition()
        )

    def types(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    @property
    def focus(self) -> WebElement:
        """What the next key goes to."""
        return self.driver.switch_to.active_element

    @property
    def path(self) -> str:
        """Where the browser is."""
        return urlsplit(self.driver.current_url).path

    @property
    def text(self) -> str:
        """What can be read."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def section(self, heading: str) -> str:
        """What can be read between this heading and the next."""
        below = f"//h2[.='{heading}']/following-sibling::*[not(self::h2)][count(preceding-sibling::h2) = {{}}]"
        place = (
            len(self.driver.find_elements(By.XPATH, f"//h2[.='{heading}']/preceding-sibling::h2"))
            + 1
        )
        return "\n".join(
            part.text for part in self.driver.find_elements(By.XPATH, below.format(place))
        )

    def sees(self) -> Seen:
        """The page that is open."""
        return Seen(**self.driver.execute_script(LOOK))

    def faults(self) -> list[str]:
        """What axe finds wrong with the page that is open: the rule, and where."""
        self.driver.execute_script(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        return [
            f"{fault['id']}: {node['html'][:120]}"
            for fault in found["violations"]
            for node in fault["nodes"]
        ]

    def prefers(self, scheme: str) -> None:
        """Ask pages to be light, or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def complaints(self) -> list[str]:
        """What the browser has complained of since it was last asked."""
        entries = self.driver.execute(Command.GET_LOG, {"type": "browser"})["value"]
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
