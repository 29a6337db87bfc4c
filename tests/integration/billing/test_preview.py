"""A preview is what is billed, to the cent: of the month as it is, and of changes that are asked about."""

import random
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from schemas.billing import InvoiceIssued
from schemas.envelope import Event
from schemas.scalars import rfc3339
from schemas.tenants import ServiceChanged, ServiceEnded
from services.billing.domain.periods import month_of
from tests.integration.billing.scenario import (
    ERP,
    MAIL,
    STORAGE,
    TENANT,
    Scenario,
    activated,
    catalogue,
    day,
    fact,
    open_scenario,
    run_until,
    used,
)
from tests.integration.billing.test_audit import audited
from tests.support.catalogue import CATALOGUE

PREVIEW = f"/v1/tenants/{TENANT}/preview"
MONTHS = ("2026-11-01", "2026-12-01", "2027-01-01", "2027-02-01")
EXTRA = {ERP: ("ERP-CLOUD", "extra_user"), MAIL: ("MAIL-STD", "mailbox")}


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE))
        yield found


def changed(service_id: str, name: str, quantity: int, at: datetime, n: int) -> Event[Any]:
    said = {name: str(quantity)}
    return fact(ServiceChanged.model_validate(
        {"service_id": service_id, "order_id": TENANT, "sku": EXTRA[service_id][0], "quantities": said, "changed": said,
         "effective_at": at}
    ), f"changed-{n}")  # fmt: skip


def comparable(document: Mapping[str, Any], *hidden: str) -> Any:
    """Lines and sums; a service that is only asked about has an id of its own."""
    lines = [
        {name: value for name, value in line.items() if name not in hidden}
        for line in document["lines"]
    ]
    return document["tipo_documento"], lines, document["totals"]


async def previewed(scenario: Scenario, *hidden: str, **asked: Any) -> tuple[str, list[Any]]:
    status, found = await scenario.post(PREVIEW, asked)
    assert status == 200, found
    return found["boundary"], [comparable(one, *hidden) for one in found["documents"]]


async def billed(scenario: Scenario, boundary: str, *hidden: str) -> list[Any]:
    return [
        comparable(event.data.model_dump(mode="json"), *hidden)
        for event in await scenario.service.published(InvoiceIssued)
        if str(event.data.date) == boundary
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_a_random_life_is_billed_as_it_was_previewed(scenario: Scenario, seed: int) -> None:
    """Each month: usage in time and late, then a change that is asked about first and ordered after. The books agree."""
    chance = random.Random(seed)
    users, boxes = chance.randint(0, 5), chance.randint(1, 20)
    await scenario.publish(
        activated(ERP, "ERP-CLOUD", 0, day(f"2026-11-{chance.randint(1, 3):02}"), base="1", extra_user=str(users)),
        activated(MAIL, "MAIL-STD", 1, base="0", mailbox=str(boxes), pec_mailbox="1"),
    )  # fmt: skip
    await run_until(scenario, "2026-11-01")
    seen = 0
    for n, start in enumerate(MONTHS[:-1]):
        end = str(month_of(date.fromisoformat(start)).end)
        scenario.clock.set(max(scenario.clock.now(), day(start, 24 * 20)))
        stamps = [
            day(start) + timedelta(hours=chance.uniform(-20 * 24 if n else 80, 19 * 24))
            for _ in range(6)
        ]
        documents = [
            used(f"d{n}-{k}", stamps[0] + timedelta(seconds=k), value=f"{n}-{k}")
            for k in range(chance.randint(0, 160))
        ]
        levels = [
            used(f"l{n}-{k}", at, MAIL, STORAGE, quantity=str(chance.randint(0, 900)))
            for k, at in enumerate(stamps)
        ]
        await scenario.publish(*documents, *levels)
        service_id = chance.choice([ERP, MAIL])
        name, quantity = EXTRA[service_id][1], chance.randint(0, 25)
        at = day(start) + timedelta(days=chance.randint(-15 if n else 3, 45))
        asked = {"service_id": service_id, "quantities": {name: str(quantity)}, "effective_at": rfc3339(at)}  # fmt: skip
        boundary, expected = await previewed(scenario, changes=[asked])
        assert boundary == end
        await scenario.publish(changed(service_id, name, quantity, at, n))
        assert await previewed(scenario) == (boundary, expected)
        await run_until(scenario, end)
        assert await billed(scenario, end) == expected
        seen += len(expected)
    assert seen >= len(MONTHS) - 1
    assert await audited(scenario) == []


async def test_a_cancellation_and_an_order_are_previewed_together(scenario: Scenario) -> None:
    await scenario.publish(activated(ERP, "ERP-CLOUD", 0, base="1", extra_user="2"))
    await run_until(scenario, "2026-11-01", "2026-12-01")
    at = day("2026-12-10")
    cancelled = {"service_id": ERP, "quantities": None, "effective_at": rfc3339(at)}
    ordered = {"sku": "MAIL-STD", "quantities": {"mailbox": "3"}, "effective_at": rfc3339(at)}
    _, expected = await previewed(scenario, "service_id", changes=[cancelled], services=[ordered])
    before = await billed(scenario, "2027-01-01")
    assert before == []
    ended = ServiceEnded(service_id=ERP, sku="ERP-CLOUD", effective_at=at, reason="requested")
    await scenario.publish(fact(ended, "ended"), activated(MAIL, "MAIL-STD", 1, at, mailbox="3"))
    scenario.clock.set(day("2026-12-12"))
    await run_until(scenario, "2027-01-01")
    issued = [document for boundary in ("2026-12-10", "2027-01-01")
              for document in await billed(scenario, boundary, "service_id")]  # fmt: skip
    assert sums(issued) == sums(expected)
    assert sums(issued)["ERP-CLOUD/base"] < 0 < sums(issued)["MAIL-STD/mailbox"]


def sums(documents: list[Any]) -> dict[str, Decimal]:
    """What components come to over documents; a credit note gives back."""
    found: dict[str, Decimal] = {}
    for tipo, lines, _ in documents:
        for line in lines:
            net = Decimal(line["net"]) * (1 if tipo == "TD01" else -1)
            found[line["sku"]] = found.get(line["sku"], Decimal(0)) + net
    return found


@pytest.mark.parametrize(
    ("asked", "pointer", "reason"),
    [
        ({"changes": [{"service_id": str(UUID(int=9)), "quantities": {}}]}, "/changes/0/service_id", "unknown_service"),
        ({"changes": [{"service_id": ERP, "quantities": {"seat": "1"}}]}, "/changes/0/quantities/seat", "unknown_quantity"),
        ({"changes": [{"service_id": ERP, "quantities": {"extra_user": "0.5"}}]}, "/changes/0/quantities/extra_user",
         "quantity_not_whole"),
        ({"changes": [{"service_id": ERP, "quantities": {"base": "2"}}]}, "/changes/0/quantities/base", "quantity_fixed"),
        ({"services": [{"sku": "NONE", "quantities": {}}]}, "/services/0/sku", "unknown_sku"),
        ({"services": [{"sku": "MAIL-STD", "quantities": {"mailbox": "-1"}}]}, "/services/0/quantities/mailbox", "bad_data"),
        ({"surprise": []}, "/surprise", "bad_data"),
    ],
    ids=["a service of nobody", "what is not sold", "half a user", "two bases", "no plan", "less than none", "misspelt"],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused_with_its_place(
    scenario: Scenario, asked: dict[str, Any], pointer: str, reason: str
) -> None:
    await scenario.publish(activated(ERP, "ERP-CLOUD", 0, base="1"))
    for entry in (*asked.get("changes", ()), *asked.get("services", ())):
        entry["effective_at"] = "2026-12-01T00:00:00Z"
    status, problem = await scenario.post(PREVIEW, asked)
    assert status == 422
    assert [(fault["pointer"], fault["reason"]) for fault in problem["errors"]] == [(pointer, reason)]  # fmt: skip
    assert (await scenario.post(f"/v1/tenants/{UUID(int=8)}/preview", {}))[0] == 404
