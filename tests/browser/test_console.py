"""The operator's pages, the way a person meets them: a real browser, a keyboard, a scenario's screen and a phone's."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from tests.browser.person import DESK, PHONE, Person, Seen
from tests.browser.story import ALERTS, CREDIT, INVOICE, NAME
from tests.integration.console.test_console import A, B

pytestmark = pytest.mark.browser

MENU = {
    "Overview": "/",
    "Tenants": "/tenants",
    "Orders": "/orders",
    "Resellers": "/resellers",
    "Invoices": "/invoices",
    "Settlements": "/settlements",
    "Alerts": "/alerts",
    "Notifications": "/deliveries",
    "Done here": "/acts",
}


@dataclass(frozen=True)
class Visit:
    """A page on both screens, what can be read on it, and what the browser had to say."""

    scenario: Seen
    phone: Seen
    text: str
    table_roles: set[str]
    complaints: list[str]
    faults: list[str]
    """What axe finds, in light at a desk and in dark on a phone."""


def visit(person: Person, path: str) -> Visit:
    person.opens(path)
    scenario, text, faults = person.sees(), person.text, person.faults()
    person.sits_at(PHONE)
    person.prefers("dark")
    person.opens(path)
    faults += person.faults()
    person.prefers("light")
    roles = {table.aria_role for table in person.driver.find_elements(By.TAG_NAME, "table")}
    found = Visit(scenario, person.sees(), text, roles, person.complaints(), faults)
    person.sits_at(DESK)
    return found


@pytest.fixture(scope="module")
def pages(chromium: Chrome, console_url: str) -> dict[str, Visit]:
    """Every page that links lead to from the first one, by path; and the one before it."""
    person = Person(chromium, console_url)
    person.starts_afresh()
    seen = {"/login": visit(person, "/login")}
    person.signs_in("operator-for-tests")
    ahead = ["/"]
    while ahead:
        if (path := ahead.pop()) not in seen:
            seen[path] = visit(person, path)
            ahead += [urlsplit(link).path for link in seen[path].scenario.links]
    return seen


def test_the_operators_token_opens_the_overview(stranger: Person) -> None:
    stranger.opens("/")
    assert stranger.path == "/login"
    stranger.types("operator-for-tests")
    stranger.follows(stranger.driver.find_element(By.TAG_NAME, "button").click)
    assert (stranger.path, stranger.sees().headings) == ("/", ["Who waits for what"])
    assert stranger.complaints() == []


def test_a_wrong_token_is_told_so_and_can_be_corrected_on_the_spot(stranger: Person) -> None:
    stranger.signs_in("operator-for-nothing")
    assert "That is not the operator's token." in stranger.text
    assert (stranger.path, stranger.sees().status) == ("/login", 401)
    stranger.follows(lambda: stranger.types("operator-for-tests", Keys.ENTER))
    assert stranger.path == "/"


def test_nobody_sees_a_page_without_signing_in(pages: dict[str, Visit], stranger: Person) -> None:
    for path in pages:
        stranger.opens(path)
        assert (stranger.path, stranger.sees().headings) == ("/login", ["Vicino console"])


def test_without_its_cookie_the_browser_must_sign_in_again_even_on_the_way_back(
    operator: Person,
) -> None:
    operator.clicks("Tenants")
    operator.clicks("Alerts")
    operator.driver.delete_all_cookies()
    operator.driver.back()
    operator.waits(lambda: operator.path == "/login")
    assert NAME not in operator.text


def test_signing_out_takes_the_cookie_back(operator: Person) -> None:
    operator.follows(operator.driver.find_element(By.XPATH, "//button[.='Sign out']").click)
    assert (operator.path, operator.driver.get_cookies()) == ("/login", [])
    operator.opens("/tenants")
    assert operator.path == "/login"


def test_the_browser_keeps_no_token_and_no_page_can_read_its_cookie(operator: Person) -> None:
    [cookie] = operator.driver.get_cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert "operator-for-tests" not in cookie["value"]


def test_every_link_from_the_first_page_on_leads_to_a_page(pages: dict[str, Visit]) -> None:
    things = {f"/tenants/{A}", f"/tenants/{B}", f"/invoices/{INVOICE}", f"/invoices/{CREDIT}"}
    things |= {f"/orders/{A}", f"/orders/{B}", f"/deliveries/{A}", f"/deliveries/{B}"}
    things |= {f"/alerts/{alert}" for alert in ALERTS} | {"/resellers/VAR-TO-01"}
    assert set(pages) - {path for path in pages if path.startswith("/resellers/")} | {
        "/resellers/VAR-TO-01"
    } == {"/login", *MENU.values(), *things}
    assert {
        path: page.scenario.status for path, page in pages.items() if page.scenario.status != 200
    } == {}


def test_the_menu_leads_there_and_shows_where_one_is(operator: Person) -> None:
    for name, path in MENU.items():
        operator.clicks(name)
        [here] = operator.driver.find_elements(By.CSS_SELECTOR, "nav a.here")
        assert (operator.path, here.text) == (path, name)


def test_the_overview_says_who_waits_for_what(operator: Person) -> None:
    waiting = operator.section("Waiting for a person, the latest first")
    for words in (
        "a reseller, chosen by an operator",
        "nearest is VAR-RM-01, 411,9 km: distance",
        "an answer by 01 Nov 2026, 01:15 late",
    ):
        assert words in waiting
    assert "1.224,50" in operator.text


def test_the_list_of_tenants_shows_their_states(operator: Person) -> None:
    operator.clicks("Tenants")
    rows = [row.text for row in operator.driver.find_elements(By.CSS_SELECTOR, "tr")][1:]
    assert [(name in row, state in row) for row, name, state in zip(
        rows, (NAME, "Nuraghe Foods S.r.l."), ("active", "waiting"), strict=True
    )] == [(True, True), (True, True)]  # fmt: skip


def test_a_tenant_is_shown_whole(operator: Person) -> None:
    operator.clicks("Tenants")
    operator.clicks(NAME)
    shown = {
        "Services": (
            "ERP-CLOUD",
            "active",
            "1 base",
            "BACKUP-PRO",
            "failed",
            "its back-end refused",
        ),
        "Why this reseller": (
            "VAR-TO-01 chosen by policy 1,5 100",
            "VAR-MI-01 126,0 61,40 capacity, certification",
        ),
        "Orders": ("ORD-A completed 01 Nov 2026, 00:56 01 Nov 2026, 01:00",),
        "Invoices": (
            "VIC-2026-000001 30/11/2026 1.234,50 1.506,09 overdue",
            "VIC-2026-000002 01/12/2026 10,00 12,20 credit",
        ),
        "Spending caps": (
            "minutes_mobile 50,00 hard 01/11/2026: 80 % spent (41,00), will come to 61,50",
        ),
        "Alerts": ("minutes escalated", "notes acknowledged", "nobody can sign in resolved"),
    }
    missing = {(h, w) for h, words in shown.items() for w in words if w not in operator.section(h)}
    assert missing == set()


def test_a_tenant_that_waits_has_nothing_yet_and_says_so(operator: Person) -> None:
    operator.clicks("Nuraghe Foods S.r.l.")
    assert "waiting" in operator.sees().headings[0]
    assert (operator.section("Services"), operator.section("Invoices")) == (
        "None yet.",
        "None yet.",
    )
    assert "VAR-RM-01 411,9 22,13 distance" in operator.section("Why this reseller")


def test_an_invoice_opens_from_its_tenant_as_the_customer_reads_it(operator: Person) -> None:
    operator.opens(f"/tenants/{A}")
    operator.clicks("VIC-2026-000001")
    assert operator.sees().lang == "it"
    assert "Totale documento, EUR 1.506,09" in operator.text
    assert "Restano da pagare 793,89." in operator.text


def test_a_credit_note_names_the_invoice_it_credits(operator: Person) -> None:
    operator.clicks("Invoices")
    operator.clicks("VIC-2026-000002")
    assert operator.sees().headings[0] == "Nota di credito VIC-2026-000002"
    assert "A storno della fattura VIC-2026-000001 del 30/11/2026." in operator.text
    assert "Totale documento, EUR 12,20" in operator.text


def test_who_has_no_invoice_yet_is_listed_with_the_reason(operator: Person) -> None:
    operator.clicks("Invoices")
    assert operator.sees().headings == ["Invoices"]
    assert "no rate of exchange" in operator.text
    assert "gone by now" not in operator.text
    assert "held: price disputed" in operator.text


def test_what_resellers_are_paid_is_listed_line_by_line(operator: Person) -> None:
    operator.clicks("Settlements")
    assert operator.sees().headings == ["Settlements"]
    for shown in ("VAR-TO-01", "2026-Q4", "56,32", "first year uplift", "VIC-2026-000001"):
        assert shown in operator.text
    assert "approved by now" not in operator.text


def test_alerts_show_their_state_and_who_was_told(operator: Person) -> None:
    operator.clicks("Alerts")
    states = [
        tag.text
        for tag in operator.driver.find_elements(By.CSS_SELECTOR, "table:first-of-type .tag")
    ]
    assert sorted(states) == ["acknowledged", "escalated", "open", "resolved"]
    operator.clicks("Notifications")
    assert "VAR-TO-01 webhook alert opened SME-01 delivered 1" in operator.text


@pytest.mark.parametrize(
    ("path", "what"), [("/tenants/nobody", "tenant"), ("/invoices/none", "invoice"), ("/x", "page")]
)
def test_who_follows_a_link_that_leads_nowhere_gets_a_page_and_a_way_back(
    operator: Person, path: str, what: str
) -> None:
    operator.opens(path)
    assert (operator.sees().status, operator.sees().headings) == (404, [f"There is no such {what}"])
    operator.clicks("Who waits for what")
    assert operator.path == "/"


def test_what_a_tenant_calls_itself_is_text_and_never_runs(pages: dict[str, Visit]) -> None:
    assert NAME in pages[f"/tenants/{A}"].text
    assert {path for path, page in pages.items() if page.scenario.scripts} == set()


def test_what_is_not_known_yet_is_left_out(pages: dict[str, Visit]) -> None:
    assert "heard of before its tenant" in pages["/alerts"].text
    odd = {
        (path, word)
        for path, page in pages.items()
        for word in ("None None", "None,", "null")
        if word in page.text
    }
    assert odd == set()


def test_the_browser_has_nothing_to_complain_of(pages: dict[str, Visit]) -> None:
    assert {path: page.complaints for path, page in pages.items() if page.complaints} == {}


def test_nothing_is_loaded_from_another_host(pages: dict[str, Visit], console_url: str) -> None:
    loaded = {
        name for page in pages.values() for name in (*page.scenario.resources, *page.scenario.links)
    }
    assert {name for name in loaded if not name.startswith(f"{console_url}/")} == set()


def test_every_page_has_a_title_of_its_own_a_language_and_one_heading(
    pages: dict[str, Visit],
) -> None:
    titles = [page.scenario.title for page in pages.values()]
    assert all(titles)
    assert len(set(titles)) == len(titles)
    assert {
        path: page.scenario.lang
        for path, page in pages.items()
        if page.scenario.lang not in ("en", "it")
    } == {}
    assert {path for path, page in pages.items() if len(page.scenario.headings) != 1} == set()


def test_every_field_has_a_label(pages: dict[str, Visit], stranger: Person) -> None:
    assert {
        path: page.scenario.unnamed for path, page in pages.items() if page.scenario.unnamed
    } == {}
    stranger.opens("/login")
    assert stranger.focus.accessible_name == "Operator token"


def test_no_page_is_wider_than_a_phone(pages: dict[str, Visit]) -> None:
    assert {page.phone.width for page in pages.values()} == {PHONE[0]}
    wide = {
        path: page.phone.content
        for path, page in pages.items()
        if page.phone.content > page.phone.width
    }
    assert wide == {}


def test_figures_of_the_plot_can_be_read_on_a_phone(operator: Person) -> None:
    operator.sits_at(PHONE)
    operator.opens("/")
    [figure] = operator.driver.find_elements(By.CSS_SELECTOR, ".plot td.n")
    assert (figure.text, figure.value_of_css_property("font-size")) == ("1.224,50", "15px")
    assert figure.rect["x"] + figure.rect["width"] <= PHONE[0]


def test_on_a_phone_tables_are_still_tables_to_a_screen_reader(pages: dict[str, Visit]) -> None:
    assert set().union(*(page.table_roles for page in pages.values())) == {"table"}


def test_the_keyboard_alone_goes_from_the_menu_to_a_tenant(operator: Person) -> None:
    operator.opens("/tenants")
    reached: list[str] = []
    while NAME not in reached and len(reached) < 3 * len(MENU):
        operator.types(Keys.TAB)
        focus = operator.focus
        reached.append(focus.text if focus.tag_name in ("a", "button") else focus.tag_name)
        assert focus.value_of_css_property("outline-style") != "none"
    assert reached == [
        "To the content", *MENU, "Sign out", "input", "select", "select", "Find", NAME,
    ]  # fmt: skip
    operator.follows(lambda: operator.types(Keys.ENTER))
    assert operator.path == f"/tenants/{A}"


def test_axe_finds_nothing_on_any_page_light_or_dark(pages: dict[str, Visit]) -> None:
    assert {path: page.faults for path, page in pages.items() if page.faults} == {}


def test_a_list_is_searched_and_filtered(operator: Person) -> None:
    operator.opens("/tenants?q=nuraghe&state=waiting")
    rows = operator.driver.find_elements(By.CSS_SELECTOR, "table.list tr")
    assert len(rows) == 2
    assert "Nuraghe Foods" in rows[1].text
    operator.clicks("show all")
    assert NAME in operator.text
    operator.opens("/tenants?q=nobody-is-called-so")
    assert "None is named so." in operator.text
