"""The read model comes from the topics alone, and can be built again from them; the pages show it to the operator only."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI

from schemas.envelope import Event
from schemas.tenants import (
    AssignmentNeeded,
    OrderCompleted,
    OrderDelayed,
    OrderHeld,
    ServiceActivated,
    ServiceEnded,
    ServiceResumed,
    ServiceSuspended,
    TenantActivated,
    TenantAssigned,
    TenantRegistered,
)
from services.chassis.strangers import TRIES
from services.console import store
from services.console.app import ConsoleSettings, build
from services.local.demo.world import PARTIES
from tests.support.raw_http import Said, ask, head, routes
from tests.support.running import Running, running, settings_for

TOKEN = "operator-for-tests"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
A, B = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
PLACE = PARTIES["resellers"][0]["place"]
TABLES = ("tenant", "service_order", "service", "service_state", "alert", "delivery", "invoice")


def registered(n: int, **changes: Any) -> TenantRegistered:
    details = {k: v for k, v in PARTIES["tenants"][n].items() if k not in ("items", "contact")}
    return TenantRegistered.model_validate({**details, "place": PLACE, **changes})


def story() -> list[Event[Any]]:
    row = {
        "reseller_id": "VAR-RM-01",
        "distance_km": "411.9",
        "score": "22.13",
        "excluded": ["distance"],
    }
    active = {
        "external_id": "SME-01",
        "reseller_id": "VAR-TO-01",
        "order_id": A,
        "services": [A],
        "effective_at": NOW,
    }
    service = {
        "service_id": A,
        "order_id": A,
        "item": 0,
        "sku": "ERP-CLOUD",
        "quantities": {"base": "1"},
        "effective_at": NOW,
    }
    said: list[tuple[str, Any]] = [
        (A, registered(0, name="<script>alert(1)</script> & Co.")),
        (
            A,
            TenantAssigned.model_validate(
                {"reseller_id": "VAR-TO-01", "distance_km": "1.5", "score": "100", "ranking": [row]}
            ),
        ),
        (A, ServiceActivated.model_validate(service)),
        (A, TenantActivated.model_validate(active)),
        (
            A,
            ServiceSuspended(
                service_id=A, sku="ERP-CLOUD", effective_at=NOW + DAY, reason="requested"
            ),
        ),
        (A, ServiceResumed(service_id=A, sku="ERP-CLOUD", effective_at=NOW + 3 * DAY)),
        (
            A,
            ServiceEnded(
                service_id=A, sku="ERP-CLOUD", effective_at=NOW + 9 * DAY, reason="requested"
            ),
        ),
        (B, registered(9)),
        (B, AssignmentNeeded.model_validate({"order_id": B, "nearest": [row]})),
        (
            B,
            OrderHeld(
                order_id=B,
                reference="ORD-B",
                reason="assignment.manual_required",
                explanation="choose one",
            ),
        ),
    ]
    return [
        Event(f"e{n}", "/test", p.wire_type, subject, NOW, p) for n, (subject, p) in enumerate(said)
    ]


@pytest.fixture
async def console(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Running]:
    settings = await settings_for(ConsoleSettings, "console", database, bootstrap, topic_prefix)
    async with running(build(settings)) as service:
        await service.publish(*story())
        await service.settled()
        yield service


async def picture(console: Running) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [
            {column: value for column, value in row.items() if column != "seq"}
            for row in await console.sql(f"select * from {name} order by 1")
        ]
        for name in TABLES
    }


async def test_a_replay_of_all_topics_builds_the_same_read_model(console: Running) -> None:
    before = await picture(console)
    await console.sql(f"truncate {', '.join(TABLES)}, inbox")
    again = [Event(f"again-{e.id}", e.source, e.type, e.subject, e.time, e.data) for e in story()]
    await console.publish(*again)
    await console.settled()
    assert await picture(console) == before


async def test_pages_ask_for_the_token_escape_everything_and_show_who_waits(
    console: Running,
) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get(f"{console.url}/", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["location"]) == (303, "/login")
        async with session.post(f"{console.url}/login", data={"token": "wrong"}) as answer:
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        async with session.post(
            f"{console.url}/login", data={"token": "operator-for-tests"}
        ) as answer:
            page = await answer.text()
            assert answer.status == 200
            assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "a reseller, chosen by an operator" in page
        for path in ("/tenants", f"/tenants/{A}", "/resellers", "/invoices", "/alerts"):
            async with session.get(console.url + path) as answer:
                page = await answer.text()
                assert (answer.status, "<script>" in page) == (200, False)


@pytest.mark.parametrize(
    ("days", "state"),
    [(0, "active"), (1, "suspended"), (2, "suspended"), (3, "active"), (9, "ended")],
)
async def test_a_service_is_shown_in_the_state_of_the_moment_with_all_that_is_known(
    console: Running, days: int, state: str
) -> None:
    async with console.runtime.pool.acquire() as db:
        [tenant] = await store.tenants(db, store.ONE, at=NOW + days * DAY, tenant_id=A)
    [service] = tenant["services"]
    assert service["state"] == state
    assert [fact["state"] for fact in service["states"]] == ["suspended", "active", "ended"]
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
        session.get(f"{console.url}/api/v1/tenants/{A}") as answer,
    ):
        [now] = (await answer.json())["services"]
    assert now["state"] in ("active", "suspended", "ended")


async def test_an_order_that_waits_for_a_back_end_shows_it_until_it_goes_on(
    console: Running,
) -> None:
    delayed = OrderDelayed(
        order_id=B, reference="ORD-B", reseller_id="VAR-TO-01", item=0, service_id=B, waits_for=("http",), since=NOW,
        gives_up_at=NOW, explanation="BackendRefused: PUT answered 503",
    )  # fmt: skip
    active = ServiceActivated(
        service_id=B,
        order_id=B,
        item=0,
        sku="MAIL-STD",
        quantities={"base": Decimal(1)},
        effective_at=NOW,
    )
    done = OrderCompleted(order_id=B, reference="ORD-B", accepted_at=NOW)
    states = []
    for n, said in enumerate((delayed, active, done)):
        await console.publish(Event(f"late-{n}", "/test", said.wire_type, B, NOW, said))
        await console.settled()
        (order,) = await console.sql(
            "select state, explanation from service_order where id = $1", B
        )
        states.append(order["state"])
        if said is delayed:
            assert "http" in order["explanation"]
            assert "503" in order["explanation"]
    assert states == ["delayed", "in_progress", "completed"]


async def test_what_there_is_not_is_told_as_a_problem_and_a_cookie_of_nonsense_opens_nothing(
    console: Running,
) -> None:
    async with aiohttp.ClientSession() as session:
        token = {"Authorization": "Bearer operator-for-tests"}
        for method, path, status in (("GET", "/api/v1/nothing", 404), ("POST", "/tenants", 405)):
            async with session.request(method, console.url + path, headers=token) as answer:
                assert (answer.status, answer.content_type) == (status, "application/problem+json")
                assert (await answer.json())["status"] == status
        nonsense = {"Cookie": "vicino_console=\u00e9"}
        async with session.get(
            f"{console.url}/tenants", headers=nonsense, allow_redirects=False
        ) as answer:
            assert (answer.status, answer.headers["location"]) == (303, "/login")


async def test_the_query_api_refuses_a_parameter_that_it_does_not_have_and_pages_take_any(
    console: Running,
) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        for path, status in (
            ("/api/v1/tenants?limt=1", 422),
            ("/api/v1/invoices?tenant=A", 422),
            ("/api/v1/invoices?tenant_id=A", 200),
            ("/tenants?utm_source=mail", 200),
        ):
            async with session.get(console.url + path) as answer:
                assert answer.status == status, path
                if status == 422:
                    [fault] = (await answer.json())["errors"]
                    assert fault["reason"] == "unknown_parameter"


async def test_the_query_api_wants_the_operators_token(console: Running) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{console.url}/api/v1/tenants"
        statuses = []
        for headers in (
            {},
            {"Authorization": "Bearer nobody"},
            {"Authorization": "Bearer operator-for-tests"},
        ):
            async with session.get(url, headers=headers) as answer:
                statuses.append(answer.status)
    assert statuses == [401, 401, 200]


async def test_no_route_reads_a_body_before_it_knows_who_speaks(console: Running) -> None:
    app = console.service.api(console.runtime) if console.service.api else None
    assert isinstance(app, FastAPI)
    for method, path in routes(app):
        if path != "/login":  # the only one that asks nobody; its body is small
            answer = await ask(console.url, head(method, path, "content-length: 50000") + b"{")
            is_for_programs = path.startswith("/api/") or (method == "POST" and path != "/logout")
            expected = (401, None) if is_for_programs else (303, "/login")
            assert (answer.status, answer.headers.get("location")) == expected, path
    large = await ask(console.url, head("POST", "/login", "content-length: 1000000") + b"t")
    assert large.status == 413


@pytest.mark.parametrize(
    "path", ["/tenants/a%00b", "/api/v1/tenants/%00", "/invoices/%ff", "/api/v1/tenants/%c0%80"]
)
async def test_a_path_that_is_no_text_is_nowhere(console: Running, path: str) -> None:
    assert (
        await ask(console.url, head("GET", path, f"authorization: Bearer {TOKEN}"))
    ).status == 404


def cookie_of(said: Said) -> tuple[str, str]:
    """The cookie that is set, and with what attributes."""
    cookie, _, attributes = said.headers["set-cookie"].partition("; ")
    return cookie, attributes


async def sign_in(console: Running, host: str = "127.0.0.1") -> Said:
    body = f"token={TOKEN}".encode()
    form = ("content-type: application/x-www-form-urlencoded", f"content-length: {len(body)}")
    said = head("POST", "/login", *form).replace(b"host: 127.0.0.1", f"host: {host}".encode())
    return await ask(console.url, said + body)


async def looks(console: Running, cookie: str, path: str = "/tenants") -> int:
    return (await ask(console.url, head("GET", path, f"cookie: {cookie}"))).status


async def test_a_session_is_random_kept_hashed_and_ends_when_signed_out(console: Running) -> None:
    one, other = cookie_of(await sign_in(console))[0], cookie_of(await sign_in(console))[0]
    assert one != other
    assert [await looks(console, one), await looks(console, other)] == [200, 200]
    kept = [bytes(row["digest"]) for row in await console.sql("select digest from console_session")]
    assert len(kept) == 2
    assert not any(one.split("=")[1].encode() in digest for digest in kept)
    answer = await ask(console.url, head("POST", "/logout", f"cookie: {one}", "content-length: 0"))
    assert answer.status == 303
    assert [await looks(console, one), await looks(console, other)] == [303, 200]


async def test_a_session_expires(console: Running) -> None:
    cookie = cookie_of(await sign_in(console))[0]
    await console.sql("update console_session set expires_at = now() - interval '1 second'")
    assert await looks(console, cookie) == 303


@pytest.mark.parametrize(
    ("host", "name", "is_secure"),
    [
        ("console.example.it", "__Host-vicino_console", True), ("127.0.0.1", "vicino_console", False),
        ("localhost:8084", "vicino_console", False), ("10.0.0.7", "__Host-vicino_console", True),
    ],
)  # fmt: skip
async def test_a_cookie_leaves_in_the_clear_only_on_this_machine(
    console: Running, host: str, name: str, is_secure: bool
) -> None:
    cookie, attributes = cookie_of(await sign_in(console, host))
    assert cookie.startswith(f"{name}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(attributes.split("; "))
    assert ("Secure" in attributes, "Domain" in attributes) == (is_secure, False)


async def test_wrong_tokens_are_slowed_at_the_form_and_at_the_query_api(console: Running) -> None:
    body = b"token=wrong-wrong-wrong-wrong"
    form = ("content-type: application/x-www-form-urlencoded", f"content-length: {len(body)}")
    wrong = head("GET", "/api/v1/tenants", "authorization: Bearer wrong-wrong")
    statuses = []
    for _ in range(int(TRIES)):
        statuses += [
            (await ask(console.url, said)).status
            for said in (head("POST", "/login", *form) + body, wrong)
        ]
    assert statuses[: int(TRIES)] == [401] * int(TRIES)
    assert statuses.count(429) >= TRIES / 2
