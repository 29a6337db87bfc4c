"""Every list has a limit and can be followed to its end; every value on a page stays within its line."""

import re
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from schemas.topics import BY_NAME
from services.chassis.admin import remove_topics
from services.chassis.texts import UNSEEN
from services.console import pages
from services.console.app import ConsoleSettings, build
from tests.support.databases import fresh_database
from tests.support.running import Running, running, settings_for

ROOT = Path(__file__).parents[3]
TOKEN = {"Authorization": "Bearer operator-for-tests"}
MANY = 2_300
NASTY = "a\n\rforged\x1b[2K\x85forged\u2028forged\u202e\x7f\t\x9bb\v\f"
TOTALS = {"imponibile": "1.50", "imposta": "0.33", "totale_documento": "1.83", "riepilogo": []}
FILL = {
    "tenant": "insert into tenant (id, external_id, state) select 't' || n, 'e' || n, 'waiting' from generate_series(1, $1) as n",
    "service": """insert into service (id, tenant_id, sku, state, quantities)
                  select 's' || n, 't1', 'SKU', 'active', '{}' from generate_series(1, $1) as n""",
    "service_order": """insert into service_order (id, tenant_id, reference, state, rank)
                        select 'o' || n, 't1', 'r' || n, 'held', 1 from generate_series(1, $1) as n""",
    "reseller": """insert into reseller (id, revision, profile) select 'v' || n, 1, jsonb_build_object('reseller_id', 'v' || n,
                   'active', 0, 'capacity', 1, 'name', 'v', 'tier', 'x', 'languages', '[]'::jsonb, 'certifications', '[]'::jsonb,
                   'place', '{"comune": "Roma"}'::jsonb) from generate_series(1, $1) as n""",
    "invoice": """insert into invoice (id, tenant_id, number, issued_on, total, document)
                  select 'i' || n, 't' || n, 'n' || n, '2026-11-30', 1.83, jsonb_build_object('lines', '[]'::jsonb, 'totals',
                  '{"imponibile": "1.50", "imposta": "0.33", "totale_documento": "1.83", "riepilogo": []}'::jsonb)
                  from generate_series(1, $1) as n""",
    "alert": """insert into alert (id, tenant_id, document) select 'a' || n, 't1', jsonb_build_object('summary', 'x',
                'severity', 'P1', 'reseller_id', 'v1', 'visit', '{"eligible": false}'::jsonb, 'opened_at', '2026-11-01T00:00:00Z',
                'acknowledge_by', '2026-11-01T00:00:00Z') from generate_series(1, $1) as n""",
    "delivery": """insert into delivery (id, tenant_id, recipient, channel, about, state, attempts, at)
                   select 'd' || n, 't1', 'v1', 'mail', 'vicino.alert.opened.v1', 'delivered', 1, now()
                   from generate_series(1, $1) as n""",
}  # fmt: skip
LISTS = ("tenants", "orders", "resellers", "invoices", "alerts", "deliveries")
PAGES = ("tenants", "orders", "resellers", "invoices", "alerts", "deliveries")


@pytest.fixture(scope="module")
async def shared_url(superuser_url: str) -> AsyncIterator[str]:
    async with fresh_database(superuser_url) as url:
        yield url


@pytest.fixture
async def console(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Running]:
    settings = await settings_for(ConsoleSettings, "console", database, bootstrap, topic_prefix)
    async with running(build(settings)) as service:
        yield service


async def fill(console: Running) -> None:
    for statement in FILL.values():
        await console.sql(statement, MANY)


def test_no_statement_of_the_console_reads_a_list_whole() -> None:
    text = (ROOT / "services/console/queries.sql").read_text(encoding="utf-8")
    found = re.findall(
        r"^-- name: (\w+)\(([^)]*)\)(\S?)\n(.*?)(?=^-- name:|\Z)", text, re.MULTILINE | re.DOTALL
    )
    lists = {name: (names, sql) for name, names, kind, sql in found if kind == ""}
    assert lists.keys() >= set(LISTS)
    assert [
        name
        for name, (names, sql) in lists.items()
        if "limit :limit" not in sql or "limit" not in names
    ] == []


async def test_each_list_of_the_api_comes_in_parts_that_are_all_of_it_once(
    console: Running,
) -> None:
    await fill(console)
    async with aiohttp.ClientSession(headers=TOKEN) as session:
        for name in LISTS:
            url, seen, sizes = f"/api/v1/{name}", [], []
            while url:
                async with session.get(console.url + url) as answer:
                    assert answer.status == 200, await answer.text()
                    part = await answer.json()
                    url = (
                        URL(str(answer.links["next"]["url"])).path_qs
                        if "next" in answer.links
                        else ""
                    )
                seen += [repr(sorted(row.items(), key=str)) for row in part]
                sizes.append(len(part))
            assert (name, sizes, len(set(seen))) == (name, [1000, 1000, MANY - 2000], MANY)
        async with session.get(f"{console.url}/api/v1/invoices?tenant_id=t7&limit=5") as answer:
            assert [row["tenant_id"] for row in await answer.json()] == ["t7"]
            assert "next" not in answer.links
        async with session.get(f"{console.url}/api/v1/tenants/t1") as answer:
            assert len((await answer.json())["services"]) == 200


@pytest.mark.parametrize(
    "asked",
    ["limit=0", "limit=1001", "limit=-1", "limit=x", "offset=-1", "offset=100001", "offset=1e9"],
)
@pytest.mark.parametrize("name", LISTS)
async def test_a_part_that_is_none_is_refused(lists: Running, name: str, asked: str) -> None:
    async with (
        aiohttp.ClientSession(headers=TOKEN) as session,
        session.get(f"{lists.url}/api/v1/{name}?{asked}") as answer,
    ):
        assert (answer.status, answer.content_type) == (422, "application/problem+json")


@pytest.fixture(scope="module")
async def lists(shared_url: str, bootstrap: str) -> AsyncIterator[Running]:
    settings = await settings_for(ConsoleSettings, "console", shared_url, bootstrap, "lists.")
    async with running(build(settings)) as service:
        yield service
    await remove_topics(bootstrap, BY_NAME.values(), prefix="lists.")


async def page(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as answer:
        text = await answer.text()
        assert answer.status == 200, text
        return text


async def test_each_page_shows_a_part_and_leads_to_the_next(console: Running) -> None:
    await fill(console)
    async with aiohttp.ClientSession(headers=TOKEN) as session:
        for name in PAGES:
            first = await page(session, f"{console.url}/{name}")
            assert first.count("<tr>") <= 2 * (pages.PAGE + 1), name
            assert 'rel="next" href="?offset=100"' in first, name
            last = await page(session, f"{console.url}/{name}?offset={MANY - MANY % pages.PAGE}")
            assert 'rel="next"' not in last, name
            assert 'rel="prev"' in last, name
        overview = await page(session, f"{console.url}/")
        assert (
            overview.count("<tr>") <= pages.WAITING_SHOWN + pages.PLOTTED + pages.MONTHS_SHOWN + 3
        )
        assert overview.count(f"<strong>{MANY}</strong>") == 3
        tenant = await page(session, f"{console.url}/tenants/t1")
        assert tenant.count("<tr>") <= 200 + 3 * pages.PAGE + 5


def nasty(value: Any) -> Any:
    """The same with something nasty in each text that is not a number or an instant."""
    if isinstance(value, dict):
        return {key: nasty(item) for key, item in value.items()}
    if isinstance(value, list):
        return [nasty(item) for item in value]
    return NASTY if value == "x" else value


ALERT = {
    "summary": "x", "severity": "x", "reseller_id": "x", "opened_at": "2026-11-01T00:00:00Z",
    "acknowledge_by": "2026-11-01T00:00:00Z",
    "visit": {"eligible": True, "due_at": "2026-11-01T00:00:00Z", "distance_km": "1.5"},
}  # fmt: skip
ADDRESS = {"street": "x", "cap": "x", "comune": "x", "provincia": "x"}
DETAILS = {"address": ADDRESS, "place": ADDRESS, "partita_iva": "x", "codice_destinatario": "x"}
LINE = {
    "n": 1, "description": "x", "period_from": "2026-11-01", "period_to": "2026-11-30", "sku": "x", "quantity": "1", "um": "x",
    "unit_price": "1.50", "net": "1.50", "aliquota_iva": "22",
}  # fmt: skip
INVOICE = {"lines": [LINE], "totals": TOTALS, "due": "2026-12-30"}
"""As early builds wrote one: without the fields that came later."""
PROFILE = {
    "reseller_id": "x", "name": "x", "tier": "x", "active": 0, "capacity": 1, "languages": ["x"], "certifications": ["x", "x"],
    "place": {"comune": "x"},
}  # fmt: skip
RANKING = [{"reseller_id": "x", "distance_km": "1.5", "score": "1", "excluded": ["x", "x"]}]


async def test_each_value_on_a_page_stays_within_its_line(console: Running) -> None:
    sql = console.sql
    await sql(
        "insert into tenant (id, external_id, name, details, state, ranking, reseller_id, assigned_by)"
        " values ('t', $1, $1, $2, 'waiting', $3, $1, $1)", NASTY, nasty(DETAILS), nasty(RANKING),
    )  # fmt: skip
    await sql(
        "insert into service (id, tenant_id, sku, state, quantities, explanation) values ($1, 't', $1, 'active', $2, $1)",
        NASTY, {NASTY: "1"},
    )  # fmt: skip
    await sql(
        "insert into service_order (id, tenant_id, reference, state, rank, explanation) values ('o', 't', $1, 'held', 1, $1)",
        NASTY,
    )  # fmt: skip
    await sql("insert into reseller (id, revision, profile) values ('v', 1, $1)", nasty(PROFILE))
    await sql(
        "insert into invoice (id, tenant_id, number, issued_on, total, document) values ('i', 't', $1, '2026-11-30', 1.83, $2)",
        NASTY, nasty(INVOICE),
    )  # fmt: skip
    await sql(
        "insert into cap (tenant_id, service_id, meters_hash, meters, amount, hard, since)"
        " values ('t', $1, '', $2, 1, true, now())",
        NASTY, [NASTY],
    )  # fmt: skip
    await sql("insert into alert (id, tenant_id, document) values ('a', 't', $1)", nasty(ALERT))
    await sql(
        "insert into delivery (id, tenant_id, recipient, channel, about, state, attempts, at)"
        " values ('d', 't', $1, $1, 'vicino.' || $1 || '.v1', $1, 1, now())", NASTY,
    )  # fmt: skip
    async with aiohttp.ClientSession(headers=TOKEN) as session:
        for path in ("", *PAGES, "tenants/t", "invoices/i"):
            text = await page(session, f"{console.url}/{path}")
            assert text.count("forged") >= 3, path
            assert [
                one for one in text if unicodedata.category(one) in UNSEEN and one != "\n"
            ] == [], path
            assert re.findall(r"\n\s*forged", text) == [], path


async def test_what_failed_long_ago_does_not_hide_who_waits_now(console: Running) -> None:
    for age, count, name in (("30 days", 2 * pages.WAITING_SHOWN, "old"), ("1 hour", 1, "new")):
        await console.sql(
            "insert into service_order (id, tenant_id, reference, state, rank, ended_at)"
            f" select $1 || n, 't', $1 || '-order', 'failed', 3, now() - interval '{age}' from generate_series(1, $2) as n",
            name, count,
        )  # fmt: skip
        await console.sql(
            "insert into delivery (id, tenant_id, recipient, channel, about, state, attempts, at)"
            f" select $1 || n, 't', $1 || '-receiver', 'webhook', 'a.b.v1', 'failed', 9, now() - interval '{age}'"
            " from generate_series(1, $2) as n",
            name, count,
        )  # fmt: skip
    await console.sql("insert into alert (id, tenant_id, document) values ('a', 't', $1)", ALERT)
    async with aiohttp.ClientSession(headers=TOKEN) as session:
        overview = await page(session, f"{console.url}/")
        assert [
            words in overview
            for words in ("old-order", "old-receiver", "new-order", "new-receiver")
        ] == [False, False, True, True]
        assert 'href="/alerts/a"' in overview
        assert "old-order" in await page(session, f"{console.url}/orders")
        assert "old-receiver" in await page(
            session, f"{console.url}/deliveries?state=failed&offset=1"
        )
