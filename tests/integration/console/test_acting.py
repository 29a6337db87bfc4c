"""An operator acts from a page: the gateway is asked once, what cannot be undone is asked first, and a line says who did what."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from schemas.alerts import AlertKind, AlertOpened, Visit
from schemas.orders import AssignmentDecided, OrderCancelRequested, OrderPlaced, OrderReviewed
from schemas.signals import AcknowledgementGiven, ResolutionGiven, Severity
from schemas.tenants import (
    AssignmentNeeded,
    OrderAcknowledged,
    OrderCancelled,
    OrderHeld,
    OrderScheduled,
    ServiceActivated,
)
from services.console.app import ConsoleSettings, build
from tests.integration.gateway.world import (
    NOW,
    World,
    assigned,
    open_world,
    registered,
    tenant_of,
)
from tests.support.running import Running, running, settings_for

TOKEN = "operator-for-tests"
ANNA = "Anna Ferri"


@dataclass
class Desk:
    """An operator who is signed in at the console, over a gateway at work."""

    console: Running
    gateway: World
    session: aiohttp.ClientSession

    async def page(self, path: str) -> str:
        async with self.session.get(self.console.url + path) as answer:
            text = await answer.text()
            assert answer.status == 200, text
            return text

    async def send(self, kind: str, about: str, **more: str) -> tuple[int, str]:
        """Send a form; returns the status before any redirection, and the page."""
        form = {"act_id": str(uuid4()), "about": about, **more}
        url = f"{self.console.url}/acts/{kind}"
        async with self.session.post(url, data=form, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    async def acts(self) -> list[tuple[str, str, str, str | None]]:
        rows = await self.console.sql(
            "select who, kind, detail, outcome from act order by at, kind"
        )
        return [tuple(row) for row in rows]

    async def settled(self) -> None:
        await self.gateway.gateway.settled()
        await self.console.settled()


@pytest.fixture
async def world(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[World]:
    async with open_world(database, bootstrap, topic_prefix) as world:
        yield world


@pytest.fixture
async def desk(
    world: World, database: str, bootstrap: str, topic_prefix: str
) -> AsyncIterator[Desk]:
    settings = await settings_for(
        ConsoleSettings, "console", database, bootstrap, topic_prefix, gateway_api=world.gateway.url
    )
    async with (
        running(build(settings), world.clock) as console,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        form = {"token": TOKEN, "who": ANNA}
        async with session.post(f"{console.url}/login", data=form) as answer:
            assert answer.status == 200
        yield Desk(console, world, session)


def alert(alert_id: str) -> AlertOpened:
    return AlertOpened(
        alert_id=alert_id, kind=AlertKind.INCIDENT, severity=Severity.P2, service_id=str(uuid4()), sku="ERP-CLOUD",
        reseller_id="VAR-A", summary="Stampante ferma", opened_at=NOW, acknowledge_by=NOW, resolve_by=None,
        visit=Visit(eligible=False, due_at=None, distance_km="1.0"),
    )  # fmt: skip


async def waiting(desk: Desk) -> str:
    """A tenant that waits for a person; returns its id."""
    needed = AssignmentNeeded.model_validate({"order_id": str(uuid4()), "nearest": []})
    await desk.gateway.tell(tenant_of("B"), registered("B"), needed)
    await desk.settled()
    return tenant_of("B")


async def troubled(desk: Desk) -> tuple[str, str]:
    """A tenant of VAR-A with an alert; returns both ids."""
    tenant, alert_id = tenant_of("A"), str(uuid4())
    await desk.gateway.tell(tenant, registered("A"), assigned("VAR-A"), alert(alert_id))
    await desk.settled()
    return tenant, alert_id


async def test_a_reseller_is_chosen_after_a_question_once_however_often_the_form_is_sent(
    desk: Desk,
) -> None:
    tenant = await waiting(desk)
    page = await desk.page(f"/tenants/{tenant}")
    [act_id] = re.findall(r'name="act_id" value="([^"]+)"', page)
    assert 'value="VAR-A"' in page
    form = {"detail": "VAR-A", "tenant_id": tenant, "act_id": act_id}
    status, question = await desk.send("assign", tenant, **form)
    assert (status, "It cannot be taken back" in question, await desk.acts()) == (200, True, [])
    for _ in range(2):
        status, _ = await desk.send("assign", tenant, confirmed="yes", **form)
        assert status == 303
    await desk.settled()
    [decided] = await desk.gateway.gateway.published(AssignmentDecided)
    assert (decided.subject, decided.data.reseller_id) == (tenant, "VAR-A")
    assert await desk.acts() == [(ANNA, "assign", "VAR-A", "done")]
    assert ANNA in await desk.page(f"/tenants/{tenant}")
    assert ANNA in await desk.page("/acts")


async def test_an_alert_is_acknowledged_and_resolved_in_the_operators_name(desk: Desk) -> None:
    tenant, alert_id = await troubled(desk)
    page = await desk.page(f"/alerts/{alert_id}")
    assert "Acknowledge: it is in hand" in page
    assert (await desk.send("acknowledge", alert_id, tenant_id=tenant))[0] == 303
    more = {"tenant_id": tenant, "detail": "carta inceppata"}
    assert (await desk.send("resolve", alert_id, **more))[0] == 200
    assert (await desk.send("resolve", alert_id, confirmed="yes", **more))[0] == 303
    await desk.settled()
    [given] = await desk.gateway.gateway.published(AcknowledgementGiven)
    [solved] = await desk.gateway.gateway.published(ResolutionGiven)
    assert solved.sealed is not None
    assert (given.principal, given.data.alert_id) == ("operator", alert_id)
    assert (solved.principal, solved.subject) == ("operator", tenant)
    assert await desk.acts() == [
        (ANNA, "acknowledge", "", "done"),
        (
            ANNA,
            "resolve",
            "",
            "done",
        ),  # words may name persons: they are kept sealed, and elsewhere
    ]


async def test_a_held_order_goes_on_or_ends(desk: Desk) -> None:
    tenant, orders = tenant_of("A"), [str(uuid4()) for _ in range(2)]
    held = [
        OrderHeld(order_id=one, reference="ORD-1", reason="quota_used_up", explanation="too many")
        for one in orders
    ]
    await desk.gateway.tell(tenant, registered("A"), assigned("VAR-A"), *held)
    await desk.settled()
    page = await desk.page(f"/orders/{orders[0]}")
    assert "Let it go on" in page
    assert (await desk.send("release", orders[0], tenant_id=tenant))[0] == 303
    more = {"tenant_id": tenant, "detail": "a mistake", "confirmed": "yes"}
    assert (await desk.send("refuse", orders[1], **more))[0] == 303
    await desk.settled()
    reviewed = await desk.gateway.gateway.published(OrderReviewed)
    assert {(one.data.order_id, one.data.review) for one in reviewed} == {
        (orders[0], "release"),
        (orders[1], "refuse"),
    }


async def test_services_are_suspended_resumed_and_ended_from_their_tenants_page(desk: Desk) -> None:
    tenant, service_id = tenant_of("A"), str(uuid4())
    activated = ServiceActivated(
        service_id=service_id,
        order_id=str(uuid4()),
        item=0,
        sku="ERP-CLOUD",
        quantities={},
        effective_at=NOW,
    )
    await desk.gateway.tell(tenant, registered("A"), assigned("VAR-A"), activated)
    await desk.gateway.gateway.settled()
    await desk.settled()
    page = await desk.page(f"/tenants/{tenant}")
    assert (">Suspend<" in page, ">End<" in page, ">Resume<" in page) == (True, True, False)
    for kind in ("suspend", "end"):
        status, question = await desk.send(kind, service_id, tenant_id=tenant)
        assert (status, "data" in question) == (200, True)
        sent = await desk.send(kind, service_id, tenant_id=tenant, confirmed="yes")
        assert sent[0] == 303
    assert (await desk.send("resume", service_id, tenant_id=tenant))[0] == 303
    ordered = await desk.gateway.gateway.published(OrderPlaced)
    actions = [(one.principal, one.subject, one.data.items[0].action) for one in ordered]
    assert actions == [("operator", tenant, action) for action in ("suspend", "end", "resume")]
    done = [(ANNA, kind, "", "done") for kind in ("end", "resume", "suspend")]
    assert sorted(await desk.acts()) == done
    page = await desk.page(f"/tenants/{tenant}")
    assert page.count(ANNA) >= 3, "the tenant's page says what was done to its services"
    assert f'href="/tenants/{tenant}">suspend' in await desk.page("/acts")


async def test_an_order_that_is_under_way_is_cancelled_after_a_question(desk: Desk) -> None:
    tenant, order_id = tenant_of("A"), str(uuid4())
    known = OrderAcknowledged(order_id=order_id, reference="ORD-7", effective_at=NOW)
    await desk.gateway.tell(tenant, registered("A"), assigned("VAR-A"), known)
    await desk.settled()
    later = OrderScheduled(order_id=order_id, reference="ORD-7", begins_at=NOW + timedelta(days=9))
    await desk.gateway.tell(tenant, later)
    await desk.settled()
    assert "ORD-7" not in await desk.page("/"), "what waits for its day waits for nobody"
    page = await desk.page(f"/orders/{order_id}")
    assert ("scheduled" in page, "takes effect at" in page, "Cancel it" in page) == (
        True,
        True,
        True,
    )
    assert (await desk.send("cancel", order_id, tenant_id=tenant))[0] == 200
    assert (await desk.send("cancel", order_id, tenant_id=tenant, confirmed="yes"))[0] == 303
    [asked] = await desk.gateway.gateway.published(OrderCancelRequested)
    assert (asked.subject, asked.data.order_id) == (tenant, order_id)
    await desk.gateway.tell(tenant, OrderCancelled(order_id=order_id, reference="ORD-7"))
    await desk.settled()
    page = await desk.page(f"/orders/{order_id}")
    assert ("cancelled" in page, "Cancel it" in page) == (True, False)


async def test_what_the_gateway_refuses_is_shown_with_its_reason(desk: Desk) -> None:
    tenant, _ = await troubled(desk)
    for kind, about, more in (
        ("redeliver", str(uuid4()), {}),
        ("assign", tenant, {"detail": "VAR-A", "confirmed": "yes"}),
        ("acknowledge", str(uuid4()), {"tenant_id": tenant}),
    ):
        assert (await desk.send(kind, about, **more))[0] == 303
    rows = await desk.console.sql("select kind, outcome, explanation from act order by kind desc")
    assert [(row["kind"], row["outcome"], row["explanation"]) for row in rows] == [
        ("redeliver", "refused", "no such notification"),
        ("assign", "refused", "VAR-A serves this tenant"),
        ("acknowledge", "refused", "no such alert of this tenant"),
    ]


async def test_while_the_gateway_is_unavailable_a_line_says_that_perhaps_nothing_was_done(
    world: World, database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(
        ConsoleSettings,
        "console",
        database,
        bootstrap,
        topic_prefix,
        gateway_api="http://127.0.0.1:9",
    )
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        running(build(settings), world.clock) as console,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        form = {"act_id": str(uuid4()), "about": str(uuid4())}
        url = f"{console.url}/acts/redeliver"
        async with session.post(url, data=form, allow_redirects=False) as answer:
            assert answer.status == 303
        [line] = await console.sql("select who, outcome, explanation from act")
        assert tuple(line) == (
            "operator", "unavailable", "the gateway is unavailable; perhaps nothing was done",
        )  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=["another site", "no site", "cross-site", "same-site"],
)  # fmt: skip
async def test_a_form_of_another_site_does_nothing(desk: Desk, headers: dict[str, str]) -> None:
    form = {"act_id": str(uuid4()), "about": str(uuid4())}
    for path in ("/acts/redeliver", "/logout"):
        url = desk.console.url + path
        async with desk.session.post(url, data=form, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (403, "application/problem+json")
    assert await desk.acts() == []
    await desk.page("/")  # still signed in


async def test_behind_a_proxy_that_changes_the_host_the_browsers_word_counts(desk: Desk) -> None:
    form = {"act_id": str(uuid4()), "about": str(uuid4())}
    headers = {"Origin": "https://console.asp.example", "Sec-Fetch-Site": "same-origin"}
    url = f"{desk.console.url}/acts/redeliver"
    async with desk.session.post(url, data=form, headers=headers, allow_redirects=False) as answer:
        assert answer.status == 303


@pytest.mark.parametrize(
    "form",
    [
        {"act_id": "x"}, {"about": "../operator"}, {"tenant_id": "x"}, {"detail": "x" * 2001}, {"detail": "a\x00b"},
        {"about": ""}, {"act_id": ""},
    ],
)  # fmt: skip
async def test_a_form_that_is_not_ours_is_refused(desk: Desk, form: dict[str, Any]) -> None:
    sound = {"act_id": str(uuid4()), "about": str(uuid4())}
    url = f"{desk.console.url}/acts/redeliver"
    async with desk.session.post(url, data={**sound, **form}) as answer:
        assert (answer.status, answer.content_type) == (422, "application/problem+json")
    async with desk.session.post(f"{desk.console.url}/acts/delete", data=sound) as answer:
        assert answer.status == 422
    assert await desk.acts() == []


async def test_nobody_acts_without_signing_in(desk: Desk) -> None:
    form = {"act_id": str(uuid4()), "about": str(uuid4())}
    async with aiohttp.ClientSession() as stranger:
        url = f"{desk.console.url}/acts/redeliver"
        async with stranger.post(url, data=form, allow_redirects=False) as answer:
            assert answer.status == 401
    assert await desk.acts() == []
