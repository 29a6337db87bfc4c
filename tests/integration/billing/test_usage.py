"""Usage counts once, whatever order it comes in; and what is invoiced is what was counted."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from schemas.billing import InvoiceIssued
from schemas.catalogue import CataloguePublished
from schemas.envelope import Event
from schemas.tenants import ServiceActivated, ServiceChanged
from schemas.topics import USAGE
from schemas.usage import UsageRecorded
from services.billing.app import BillingSettings, build
from services.chassis.clock import ManualClock
from tests.support.catalogue import CATALOGUE, ROME
from tests.support.running import Running, running, settings_for

START = datetime(2026, 11, 1, tzinfo=ROME).astimezone(UTC)
TENANT = "11111111-1111-1111-1111-111111111111"
ERP, MAIL = "22222222-2222-2222-2222-222222222222", "33333333-3333-3333-3333-333333333333"


@dataclass
class Desk:
    """Billing at work, and time in our hands."""

    service: Running
    clock: ManualClock

    async def account(self) -> dict[tuple[str, str], int]:
        """What became of usage."""
        rows = await self.service.sql("select outcome, reason, sum(n)::int as n from usage_tally group by 1, 2")
        return {(row["outcome"], row["reason"]): row["n"] for row in rows if row["n"]}


@pytest.fixture
async def desk(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Desk]:
    settings = await settings_for(BillingSettings, "billing", database, bootstrap, topic_prefix)
    clock = ManualClock(START + timedelta(hours=1))
    async with running(build(settings), clock) as service:
        plans = CataloguePublished.model_validate({"revision": 1, **CATALOGUE})
        await service.publish(Event("c1", "/test", plans.wire_type, "catalogue", START, plans))
        await service.settled()
        yield Desk(service, clock)


def fact(payload: Any, event_id: str) -> Event[Any]:
    return Event(event_id, "/test", payload.wire_type, TENANT, START, payload)


def activated(service_id: str, sku: str, item: int, **quantities: str) -> Event[ServiceActivated]:
    data = {
        "service_id": service_id,
        "order_id": TENANT,
        "item": item,
        "sku": sku,
        "quantities": quantities,
        "effective_at": START,
    }
    return fact(ServiceActivated.model_validate(data), f"activated-{sku}")


def used(
    event_id: str, at: datetime, service_id: str = ERP, meter: str = "e_invoices", **data: str
) -> Event[UsageRecorded]:
    payload = UsageRecorded.model_validate({"service_id": service_id, "meter": meter, **data})
    return Event(event_id, "/test", payload.wire_type, TENANT, at, payload)


async def test_every_record_ends_as_exactly_one_thing(desk: Desk) -> None:
    await desk.service.publish(activated(ERP, "ERP-CLOUD", 0, base="1"))
    await desk.service.settled()
    desk.clock.set(START + timedelta(days=20))
    dice = random.Random(7)
    good = [used(f"u{n}", START + timedelta(minutes=n), value=f"doc-{n}") for n in range(3000)]
    again = dice.sample(good, 150)
    reused = [used(f"u{n}", START, value="another") for n in range(5)]
    bad = [
        used("b1", START + timedelta(days=90), value="x"),
        used("b2", START - timedelta(days=1), value="x"),
        used("b3", START, meter="orders", value="x"),
        used("b4", START, quantity="5"),
    ]
    everything = [*good, *again]
    dice.shuffle(everything)
    await desk.service.publish(*everything, *reused, *bad)
    await desk.service.send((USAGE, TENANT.encode(), b"not json"), (USAGE, TENANT.encode(), None))
    await desk.service.settled()
    assert await desk.account() == {
        ("counted", ""): 3000, ("duplicate", ""): 150, ("rejected", "id_reuse"): 5, ("rejected", "in_future"): 1,
        ("rejected", "before_activation"): 1, ("rejected", "meter_unknown"): 1, ("rejected", "wrong_value"): 1,
        ("rejected", "not_json"): 2,
    }  # fmt: skip
    assert len(await desk.service.sql("select 1 from reject")) == 11


async def test_usage_of_a_service_not_known_yet_is_counted_when_it_is(desk: Desk) -> None:
    desk.clock.set(START + timedelta(days=2))
    early = [used(f"u{n}", START + timedelta(hours=n), value=f"doc-{n}") for n in range(40)]
    await desk.service.publish(*early, *early[:10])
    await desk.service.settled()
    assert await desk.account() == {("parked", ""): 40, ("duplicate", ""): 10}
    await desk.service.publish(activated(ERP, "ERP-CLOUD", 0, base="1"))
    await desk.service.settled()
    assert await desk.account() == {("counted", ""): 40, ("duplicate", ""): 10}


async def test_usage_counts_before_anything_was_ever_invoiced(desk: Desk) -> None:
    await desk.service.publish(activated(ERP, "ERP-CLOUD", 0, base="1"))
    await desk.service.settled()
    await desk.service.publish(used("u1", START + timedelta(minutes=1), value="doc-1"))
    await desk.service.settled()
    assert await desk.account() == {("counted", ""): 1}


async def test_a_month_in_the_life_of_a_tenant_gives_the_worked_invoice(desk: Desk) -> None:
    await desk.service.publish(
        activated(ERP, "ERP-CLOUD", 0, base="1", extra_user="3"),
        activated(MAIL, "MAIL-STD", 1, mailbox="12", pec_mailbox="2"),
    )
    await desk.service.settled()
    desk.clock.set(START + timedelta(days=3))
    await desk.service.settled()
    change = {"service_id": ERP, "order_id": TENANT, "sku": "ERP-CLOUD", "quantities": {"base": "1", "extra_user": "5"}}
    at = START + timedelta(days=11, hours=9)
    await desk.service.publish(fact(ServiceChanged.model_validate({**change, "effective_at": at}), "changed"))
    desk.clock.set(START + timedelta(days=29))
    documents = [used(f"d{n}", START + timedelta(minutes=n * 20), value=f"doc-{n}") for n in range(1730)]
    storage = {"service_id": MAIL, "meter": "mail_storage_overage_gb_month"}
    levels = [
        used("l1", START, quantity="150.000", **storage), used("l2", START + timedelta(days=15), quantity="164.964", **storage)
    ]  # fmt: skip
    await desk.service.publish(*documents, *levels)
    await desk.service.settled()
    desk.clock.set(START + timedelta(days=33))
    await desk.service.settled()
    first, second = sorted(await desk.service.published(InvoiceIssued), key=lambda issued: issued.data.date)
    assert (first.data.number, second.data.number) == ("2026/A/000001", "2026/A/000002")
    assert [line.net for line in second.data.lines] == [
        Decimal(net) for net in ("49.00", "95.00", "24.07", "32.00", "61.50", "46.80", "5.00", "4.50")
    ]
    assert second.data.totals.totale_documento == Decimal("387.80")
    late = used("late", START + timedelta(days=5), value="doc-late")
    await desk.service.publish(late)
    await desk.service.settled()
    assert (await desk.account())[("counted", "")] == 1733
    kept = await desk.service.sql("select month, n from late_usage")
    assert [tuple(row) for row in kept] == [(START.date().replace(month=11, day=1), 1)]
    assert len(await desk.service.published(InvoiceIssued)) == 2
