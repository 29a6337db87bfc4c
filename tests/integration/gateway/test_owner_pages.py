"""The owner of a small firm opens its page by the link of a mail, sees its own and nobody else's, and reports trouble."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import aiohttp
import pytest
from yarl import URL

from schemas.orders import ReassignmentDecided
from schemas.signals import IncidentReported
from schemas.tenants import TenantAssigned
from services.gateway.domain.owner_links import LASTS
from tests.integration.gateway.village import Village, open_village
from tests.integration.gateway.world import assigned, tenant_of
from tests.support.servers import Addresses


@pytest.fixture(scope="module")
async def village(addresses: Addresses) -> AsyncIterator[Village]:
    async with open_village(addresses) as found:
        yield found


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield session


async def opened(village: Village, browser: aiohttp.ClientSession, link: str = "") -> str:
    """The page that a link opens."""
    async with browser.get(village.url(link or village.link())) as answer:
        assert answer.status == 200
        assert answer.url.path == "/mia", "the link does not stay in the address"
        return await answer.text()


async def test_the_mail_speaks_italian_names_the_persons_and_carries_one_link(
    village: Village,
) -> None:
    [letter] = village.letters_to("ada@esempio.example.it")
    text = letter.get_content()
    assert letter["Subject"] == "La pagina di Firm A"
    assert ("Ada Esempio" in text, "Tecnico VAR-A" in text, "+39 0555 1" in text) == (
        True,
        True,
        True,
    )
    assert text.count("/mia/") == 1
    assert "10/12/2026" in text, "it says until when"


async def test_the_page_shows_the_firms_own(
    village: Village, browser: aiohttp.ClientSession
) -> None:
    page = await opened(village, browser)
    ids = village.street.ids
    for said in (
        "Firm A",
        "Tecnico VAR-A",
        "tel:+3905551",
        "attivo",
        "Qualcosa non va?",
        "presa in carico",
    ):
        assert said in page, said
    assert ids["A"]["/v1/invoices"] in page
    assert "Firm B" not in page
    assert ids["B"]["/v1/invoices"] not in page


async def test_an_invoice_is_shown_with_the_seller_and_how_to_pay(
    village: Village, browser: aiohttp.ClientSession
) -> None:
    await opened(village, browser)
    mine, others = (village.street.ids[firm]["/v1/invoices"] for firm in "AB")
    async with browser.get(village.url(f"/mia/fatture/{mine}")) as answer:
        page = await answer.text()
        assert answer.status == 200
    for said in (
        "Fattura 2026/A/A",
        "ASP Esempio S.p.A.",
        "IT60 X054 2811 1010 0000 0123 456",
        "12,20",
    ):
        assert said in page, said
    for stranger in (others, str(uuid4())):
        async with browser.get(village.url(f"/mia/fatture/{stranger}")) as answer:
            assert answer.status == 404


async def test_nobody_gets_in_without_a_link_that_is_genuine_and_lives(
    village: Village, browser: aiohttp.ClientSession
) -> None:
    link = village.link()
    changed = link[:-1] + ("A" if link[-1] != "A" else "B")
    async with browser.get(village.url(changed)) as answer:
        assert (answer.status, "scaduto" in await answer.text()) == (403, True)
    async with browser.get(village.url("/mia")) as answer:
        assert "Mandami il collegamento" in await answer.text()
    for path in (f"/mia/fatture/{uuid4()}",):
        async with browser.get(village.url(path), allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/mia")


async def test_trouble_is_reported_once_however_often_its_form_is_sent(
    village: Village, browser: aiohttp.ClientSession
) -> None:
    page = await opened(village, browser)
    found = re.search(r'name="form_id" value="([^"]+)"', page)
    assert found is not None
    world = village.street.world
    form = {
        "form_id": found[1],
        "service_id": world.services["A"],
        "severity": "P2",
        "said": " Non parte\r\n la fattura ",
    }
    for _ in range(2):
        async with browser.post(village.url("/mia/segnala"), data=form) as answer:
            assert (answer.status, "Ricevuto" in await answer.text()) == (200, True)
    await world.gateway.settled()
    reported = [
        event
        for event in await world.gateway.published(IncidentReported)
        if event.subject == tenant_of("A")
    ]
    assert len({event.id for event in reported}) == 1
    assert reported[0].data.service_id == world.services["A"]
    assert "\n" not in reported[0].data.summary


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"service_id": "another's"}, 404), ({"service_id": str(uuid4())}, 404), ({"severity": "P9"}, 422),
        ({"said": " "}, 422), ({"said": "x" * 501}, 422), ({"form_id": "x"}, 422),
    ],
)  # fmt: skip
async def test_a_wrong_report_is_refused_in_a_page(
    village: Village, browser: aiohttp.ClientSession, wrong: dict[str, str], status: int
) -> None:
    await opened(village, browser, village.link("bruno@altra.example.it"))
    services = village.street.world.services
    form = {
        "form_id": str(uuid4()),
        "service_id": services["B"],
        "severity": "P2",
        "said": "giù",
    } | wrong
    if form["service_id"] == "another's":
        form["service_id"] = services["A"]
    async with browser.post(village.url("/mia/segnala"), data=form) as answer:
        assert (answer.status, answer.content_type) == (status, "text/html")


async def test_a_form_of_another_site_does_nothing(
    village: Village, browser: aiohttp.ClientSession
) -> None:
    await opened(village, browser)
    form = {
        "form_id": str(uuid4()), "service_id": village.street.world.services["A"], "severity": "P2", "said": "giù",
    }  # fmt: skip
    elsewhere = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    async with browser.post(village.url("/mia/segnala"), data=form, headers=elsewhere) as answer:
        assert answer.status == 403


async def test_a_new_link_goes_to_the_person_at_the_firm_and_nobody_learns_who_is_a_customer(
    village: Village, browser: aiohttp.ClientSession
) -> None:
    answers = []
    for number in ("99001019993", "IT 99001019993", "99001029992"):
        async with browser.post(
            village.url("/mia/collegamento"), data={"partita_iva": number}
        ) as answer:
            answers.append((answer.status, await answer.text()))
    assert len(set(answers)) == 1

    async def mailed() -> bool:
        return len(village.letters_to("ada@esempio.example.it")) == 2

    await village.street.world.gateway.eventually(mailed)
    await opened(village, browser)
    async with browser.post(
        village.url("/mia/collegamento"), data={"partita_iva": "123"}
    ) as answer:
        assert (answer.status, "non è valida" in await answer.text()) == (422, True)
    assert len(village.letters_to("ada@esempio.example.it")) == 2, "at most one in ten minutes"


async def test_nobody_fills_a_mailbox_by_asking_for_links(
    village: Village, browser: aiohttp.ClientSession
) -> None:
    clock, before = village.street.world.clock, len(village.letters_to("ada@esempio.example.it"))
    for _ in range(8):
        clock.advance(timedelta(minutes=11))
        async with browser.post(
            village.url("/mia/collegamento"), data={"partita_iva": "99001019993"}
        ) as answer:
            assert answer.status == 200
        await village.street.world.gateway.settled()
    assert before < len(village.letters_to("ada@esempio.example.it")) <= 5


async def test_whoever_leaves_has_to_bring_the_link_again(
    village: Village, browser: aiohttp.ClientSession
) -> None:
    await opened(village, browser)
    async with browser.post(village.url("/mia/esci")) as answer:
        assert "Mandami il collegamento" in await answer.text()


async def test_who_moves_to_another_person_is_told_by_mail_and_both_resellers_by_webhook(
    village: Village,
) -> None:
    world, address = village.street.world, "bruno@altra.example.it"
    path = f"/operator/v1/tenants/{tenant_of('B')}/reassignment"
    for spec, status, reason in (
        ({"reseller_id": "VAR-B"}, 409, "already_assigned"), ({"reseller_id": "VAR-NONE"}, 404, None),
        ({"reseller_id": "VAR-A", "effective_at": "2020-01-01T00:00:00Z"}, 422, "bad_time"),
        ({"reseller_id": "VAR-A", "surprise": 1}, 422, "bad_data"),
    ):  # fmt: skip
        answer = await world.call("PUT", path, spec)
        assert (answer.status, answer.reasons) == (status, [reason] if reason else []), answer.body
    answer = await world.call("PUT", path, {"reseller_id": "VAR-A", "reason": "Bruno lo chiede"})
    assert answer.status == 202
    [decided] = await world.gateway.published(ReassignmentDecided)
    assert (decided.data.reseller_id, decided.sealed is not None) == ("VAR-A", True)
    before = len(village.letters_to(address))
    await world.tell(tenant_of("B"), assigned("VAR-A"))

    async def told() -> bool:
        return len(village.letters_to(address)) > before

    await world.gateway.eventually(told)
    text = village.letters_to(address)[-1].get_content()
    assert ("un'altra" in text, "Tecnico VAR-A" in text) == (True, True)
    rows = await world.gateway.sql(
        "select recipient, count(*)::int as n from notification"
        " where tenant_id = $1 and about = $2 and channel = 'webhook' group by 1",
        tenant_of("B"), TenantAssigned.wire_type,
    )  # fmt: skip
    assert {row["recipient"]: row["n"] for row in rows} == {"VAR-A": 1, "VAR-B": 2}
    await world.tell(tenant_of("B"), assigned("VAR-B"))
    await world.gateway.settled()


async def test_when_the_person_is_erased_every_link_is_dead_and_no_mail_goes_out(
    village: Village, browser: aiohttp.ClientSession
) -> None:
    await opened(village, browser, village.link("bruno@altra.example.it"))
    await village.street.world.call("DELETE", f"/operator/v1/tenants/{tenant_of('B')}/contact")
    async with browser.get(village.url("/mia")) as answer:
        assert "Mandami il collegamento" in await answer.text()


async def test_the_doors_beside_it_are_as_ever(village: Village) -> None:
    answer = await village.street.world.call("GET", "/v1/me", key="VAR-A")
    assert (answer.status, answer.body["id"]) == (200, "VAR-A")
    assert (await village.street.world.call("GET", "/v1/me", key=None)).status == 401


async def test_a_firm_that_opens_page_after_page_is_asked_to_wait(
    village: Village, browser: aiohttp.ClientSession
) -> None:
    await opened(village, browser)
    invoice = village.street.ids["A"]["/v1/invoices"]
    statuses = set()
    for _ in range(80):
        async with browser.get(village.url(f"/mia/fatture/{invoice}")) as answer:
            statuses.add(answer.status)
            if answer.status == 429:
                assert (
                    int(answer.headers["Retry-After"]) > 0,
                    "molte pagine" in await answer.text(),
                ) == (True, True)
                break
    assert statuses == {200, 429}
    async with browser.post(
        village.url("/mia/collegamento"), data={"partita_iva": "123"}
    ) as answer:
        assert answer.status == 422, "others do not wait"


async def test_a_link_ends_with_its_time(village: Village, browser: aiohttp.ClientSession) -> None:
    """The last test here: the clock moves on for all."""
    link = village.link()

    async def opens() -> bool:
        """The test before has opened many pages."""
        async with browser.get(village.url(link)) as answer:
            return answer.status == 200

    await village.street.world.gateway.eventually(opens)
    village.street.world.clock.advance(LASTS + timedelta(seconds=1))
    async with browser.get(village.url("/mia")) as answer:
        assert "Mandami il collegamento" in await answer.text()
    async with browser.get(village.url(link)) as answer:
        assert answer.status == 403


SURFACE = {
    ("GET", "/mia"): 200, ("GET", "/mia/" + "x" * 76): 403, ("POST", "/mia/collegamento"): 422, ("POST", "/mia/esci"): 303,
}  # fmt: skip
"""What answers somebody without a link. Whoever adds to it adds to what a stranger can try."""


async def test_a_stranger_gets_an_answer_at_the_listed_places_alone(village: Village) -> None:
    paths = {path for _, path in SURFACE} | {
        "/mia/", "//mia", "/mia/x", "/mia/fatture", f"/mia/fatture/{uuid4()}", "/mia/segnala", "/mia/openapi.json", "/mia/docs",
    }  # fmt: skip
    form = {"form_id": str(uuid4()), "service_id": str(uuid4()), "severity": "P1", "said": "x"}
    async with aiohttp.ClientSession() as stranger:
        for path in sorted(paths):
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                sent = form if path == "/mia/segnala" else None
                async with stranger.request(
                    method, URL(village.url(path), encoded=True), allow_redirects=False, data=sent
                ) as answer:
                    status, where = answer.status, answer.headers.get("Location")
                listed = SURFACE.get((method, path))
                is_asked_for_a_link = (status, where) == (303, "/mia")
                assert (
                    status == listed if listed else is_asked_for_a_link or status in (404, 405, 422)
                ), f"{method} {path}: {status}"
