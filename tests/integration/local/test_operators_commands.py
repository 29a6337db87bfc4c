"""What an operator does from the terminal with the gateway: read, check, put, list, decide; and what a refusal reads like."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from schemas.orders import OF_STATE, OrderCancelRequested, OrderPlaced
from schemas.scalars import rfc3339
from schemas.tenants import AssignmentNeeded, OrderHeld
from tests.integration.chassis.test_operators import run
from tests.integration.gateway.street import Street, open_street
from tests.integration.gateway.world import TOKEN, registered, reseller, tenant_of
from tests.support.catalogue import CATALOGUE
from tests.support.servers import Addresses

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
async def street(addresses: Addresses) -> AsyncIterator[Street]:
    async with open_street(addresses) as found:
        yield found


async def vicino(street: Street, *arguments: str, expect: int = 0) -> str:
    """A command against the street's gateway."""
    environment = {
        "VICINO_GATEWAY_API": street.world.gateway.url,
        "VICINO_OPERATOR_TOKEN": TOKEN,
        "COLUMNS": "400",
    }
    code, said = await run(*arguments, **environment)
    assert code == expect, said
    assert "Traceback" not in said
    return said


async def listed(street: Street, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await vicino(street, *arguments, "--json"))
    return found


def written(folder: Path, content: Any) -> str:
    file = folder / f"{uuid4()}.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return str(file)


async def test_the_catalogue_is_read_back_edited_compared_and_put(
    street: Street, tmp_path: Path
) -> None:
    stands = json.loads(await vicino(street, "catalogue", "get"))
    same = written(tmp_path, stands)
    assert "the catalogue that stands" in await vicino(street, "catalogue", "diff", same)
    assert "the catalogue that stands" in await vicino(street, "catalogue", "diff", written(tmp_path, CATALOGUE))  # fmt: skip
    stands["meters"][0]["name"] = "Nome nuovo"
    edited = written(tmp_path, stands)
    changed = await vicino(street, "catalogue", "diff", edited, expect=1)
    lines = [line for line in changed.splitlines() if line[0] in "+-" and line[1] != line[0]]
    assert len(lines) == 2
    assert "Nome nuovo" in lines[1]
    assert "would accept it" in await vicino(street, "catalogue", "check", edited)
    revision = int((await vicino(street, "catalogue", "put", edited)).split("revision ")[1].rstrip(".\n"))  # fmt: skip
    assert json.loads(await vicino(street, "catalogue", "get")) == stands
    late = await vicino(street, "catalogue", "put", same, "--revision", str(revision - 1), expect=1)
    assert f"has revision {revision}, not {revision - 1}" in late
    await vicino(street, "catalogue", "put", same, "--revision", str(revision))


@pytest.mark.parametrize("command", ["check", "diff", "put"])
async def test_a_wrong_catalogue_is_refused_with_every_place(
    street: Street, tmp_path: Path, command: str
) -> None:
    wrong = json.loads(json.dumps(CATALOGUE))
    wrong["plans"][0]["recurring"][0]["price"] = "-1"
    wrong["plans"][1]["surprise"] = True
    said = await vicino(street, "catalogue", command, written(tmp_path, wrong), expect=1)
    assert "/plans/1/surprise" in said
    not_json = tmp_path / "not.json"
    not_json.write_text("{")
    assert "is not JSON" in await vicino(street, "catalogue", command, str(not_json), expect=1)


async def test_a_reseller_is_added_read_back_and_given_keys(street: Street, tmp_path: Path) -> None:
    spec = reseller("CLI")
    given = json.loads(await vicino(street, "resellers", "add", "VAR-CLI", written(tmp_path, spec)))
    assert given["api_key"]
    shown = json.loads(await vicino(street, "resellers", "show", "VAR-CLI"))
    assert shown == spec | {"verticals": [], "notify_by": "webhook"}
    changed = written(tmp_path, shown | {"capacity": 99})
    revision = str(given["revision"])
    add = ("resellers", "add", "VAR-CLI", changed, "--revision", revision)
    assert "Changed" in await vicino(street, *add)
    assert f"not {revision}" in await vicino(street, *add, expect=1)
    [row] = [r for r in await listed(street, "resellers", "list") if r["reseller_id"] == "VAR-CLI"]
    assert (row["capacity"], row["keys"], row["comune"]) == (99, 1, "Modena")
    key = (await vicino(street, "resellers", "key", "VAR-CLI")).strip()
    assert (await street.world.call("GET", "/v1/me", key=key)).body["id"] == "VAR-CLI"
    assert (await vicino(street, "resellers", "secret", "VAR-CLI")).startswith("whsec_")
    assert "2 keys are live" in await vicino(street, "resellers", "key", "VAR-CLI", expect=1)
    assert "no such reseller" in await vicino(street, "resellers", "show", "VAR-NONE", expect=1)
    assert "Withdrawn" in await vicino(street, "resellers", "withdraw", "VAR-CLI")
    assert "vicino tenants move" in await vicino(street, "resellers", "withdraw", "VAR-A", expect=1)


async def test_tenants_orders_alerts_and_deliveries_are_listed_and_decided(street: Street) -> None:
    tenants = await listed(street, "tenants", "list")
    assert {tenant["external_id"] for tenant in tenants} >= {"SME-A", "SME-B"}
    assert len(await listed(street, "tenants", "list", "--limit", "1")) == 1
    table = await vicino(street, "tenants", "list")
    assert "ERP-CLOUD active" in table
    shown = json.loads(await vicino(street, "tenants", "show", tenant_of("A")))
    assert shown["external_id"] == "SME-A"
    orders = await listed(street, "orders", "list", "--tenant", tenant_of("A"))
    assert len(orders) == 3
    assert json.loads(await vicino(street, "orders", "show", orders[0]["order_id"])) == orders[0]
    alerts = await listed(street, "alerts", "list", "--state", "open")
    assert len(alerts) == 4
    deliveries = await listed(street, "deliveries", "list", "--to", "VAR-A")
    assert deliveries
    again = await vicino(street, "deliveries", "again", deliveries[0]["notification_id"])
    assert "1 will be sent again" in again
    assert "no such notification" in await vicino(street, "deliveries", "again", str(uuid4()), expect=1)  # fmt: skip


async def test_an_order_is_placed_from_a_file_once_under_one_id(
    street: Street, tmp_path: Path
) -> None:
    example = json.loads((ROOT / "docs/examples/order.json").read_text(encoding="utf-8"))
    file, at = written(tmp_path, example), ("--time", rfc3339(street.world.clock.now()))
    said = [await vicino(street, "orders", "new", file, "--id", "cli-1", *at) for _ in range(2)]
    assert said[0] == said[1]
    _, order_id, _, _, tenant_id = said[0].split()
    shown = json.loads(await vicino(street, "orders", "show", order_id))
    assert shown["tenant_id"] == tenant_id
    wrong = written(tmp_path, {"reference": "R", "items": [], "surprise": 1})
    told = await vicino(street, "orders", "new", wrong, "--tenant", tenant_id, *at, expect=1)
    assert "/data/surprise" in told
    later = written(tmp_path, {k: v for k, v in example.items() if k != "tenant"})
    assert "subject_missing" in await vicino(street, "orders", "new", later, *at, expect=1)


async def test_services_are_suspended_resumed_and_ended_and_an_order_is_cancelled(
    street: Street,
) -> None:
    """Each is an order; what cannot be meant is refused before anything is sent."""
    world, tenant = street.world, tenant_of("A")
    at = ("--time", rfc3339(world.clock.now()))
    said = await vicino(street, "tenants", "suspend", tenant, *at)
    assert said.split()[-1] == tenant
    assert "suspended service" in await vicino(street, "tenants", "resume", tenant, *at, expect=1)
    stranger = str(uuid4())
    end = ("tenants", "end", tenant, *at)
    assert stranger in await vicino(street, *end, "--service", stranger, expect=1)
    later = rfc3339(world.clock.now() + timedelta(days=9))
    await vicino(street, *end, "--service", world.services["A"], "--at", later)
    ordered = [
        (item.action, item.service_id, one.data.effective_at)
        for one in await world.gateway.published(OrderPlaced)
        for item in one.data.items
        if one.subject == tenant and item.action in OF_STATE
    ]
    when = world.clock.now() + timedelta(days=9)
    service_id = world.services["A"]
    assert ordered == [("suspend", service_id, None), ("end", service_id, when)]
    assert "end_in_past" in await vicino(street, *end, "--at", "2026-01-01T00:00:00Z", expect=1)
    [order, *_] = await listed(street, "orders", "list", "--tenant", tenant)
    assert "Asked for" in await vicino(street, "orders", "cancel", order["order_id"], *at)
    [asked] = await world.gateway.published(OrderCancelRequested)
    assert (asked.subject, asked.data.order_id) == (tenant, order["order_id"])


async def test_a_tenant_that_waits_is_assigned_once(street: Street) -> None:
    world, order_id = street.world, str(uuid4())
    await world.tell(
        tenant_of("C"),
        registered("C"),
        AssignmentNeeded(order_id=order_id, nearest=()),
        OrderHeld(order_id=order_id, reference="ORD-C", reason="assignment.manual_required", explanation="choose one"),
    )  # fmt: skip
    await street.settled()
    [held] = await listed(street, "orders", "list", "--state", "held")
    assert (held["order_id"], held["explanation"]) == (order_id, "choose one")
    assert "Decided" in await vicino(street, "tenants", "assign", tenant_of("C"), "VAR-B", "--reason", "near")  # fmt: skip
    taken = await vicino(street, "tenants", "assign", tenant_of("A"), "VAR-B", expect=1)
    assert "already_assigned" in taken


async def test_who_cannot_be_asked_is_said_in_a_line(tmp_path: Path) -> None:
    nowhere = {"VICINO_GATEWAY_API": "http://127.0.0.1:9", "VICINO_OPERATOR_TOKEN": TOKEN}
    code, said = await run("tenants", "list", **nowhere)
    assert (code, "Traceback" in said) == (1, False)
    assert "Vicino cannot go on" in said
    code, said = await run("tenants", "list", "--home", str(tmp_path))
    assert (code, "no Vicino runs in" in said) == (1, True)
