"""Usage counts once, whatever order it comes in; and what is invoiced is what was counted."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest

from schemas.billing import InvoiceIssued
from schemas.tenants import ServiceChanged
from schemas.topics import USAGE
from tests.integration.billing.scenario import (
    ERP,
    MAIL,
    START,
    TENANT,
    Scenario,
    activated,
    catalogue,
    fact,
    open_scenario,
    used,
)
from tests.support.catalogue import CATALOGUE


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE))
        yield found


async def test_every_record_ends_as_exactly_one_thing(scenario: Scenario) -> None:
    await scenario.publish(activated(ERP, "ERP-CLOUD", 0, base="1"))
    scenario.clock.set(START + timedelta(days=20))
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
    await scenario.publish(*everything, *reused, *bad)
    await scenario.service.send(
        (USAGE, TENANT.encode(), b"not json"), (USAGE, TENANT.encode(), None)
    )
    await scenario.service.settled()
    assert await scenario.account() == {
        ("counted", ""): 3000, ("duplicate", ""): 150, ("rejected", "id_reuse"): 5, ("rejected", "time_in_future"): 1,
        ("rejected", "before_activation"): 1, ("rejected", "unknown_meter"): 1, ("rejected", "wrong_value"): 1,
        ("rejected", "not_json"): 2,
    }  # fmt: skip
    assert len(await scenario.service.sql("select 1 from reject")) == 11


async def test_usage_of_a_service_not_known_yet_is_counted_when_it_is(scenario: Scenario) -> None:
    scenario.clock.set(START + timedelta(days=2))
    early = [used(f"u{n}", START + timedelta(hours=n), value=f"doc-{n}") for n in range(40)]
    await scenario.publish(*early, *early[:10])
    assert await scenario.account() == {("parked", ""): 40, ("duplicate", ""): 10}
    await scenario.publish(activated(ERP, "ERP-CLOUD", 0, base="1"))
    assert await scenario.account() == {("counted", ""): 40, ("duplicate", ""): 10}


async def test_usage_counts_before_anything_was_ever_invoiced(scenario: Scenario) -> None:
    await scenario.publish(activated(ERP, "ERP-CLOUD", 0, base="1"))
    await scenario.publish(used("u1", START + timedelta(minutes=1), value="doc-1"))
    assert await scenario.account() == {("counted", ""): 1}


async def test_a_month_in_the_life_of_a_tenant_gives_the_worked_invoice(scenario: Scenario) -> None:
    await scenario.publish(
        activated(ERP, "ERP-CLOUD", 0, base="1", extra_user="3"),
        activated(MAIL, "MAIL-STD", 1, mailbox="12", pec_mailbox="2"),
    )
    scenario.clock.set(START + timedelta(days=3))
    await scenario.service.settled()
    change = {
        "service_id": ERP,
        "order_id": TENANT,
        "sku": "ERP-CLOUD",
        "quantities": {"base": "1", "extra_user": "5"},
    }
    at = START + timedelta(days=11, hours=9)
    await scenario.publish(
        fact(ServiceChanged.model_validate({**change, "effective_at": at}), "changed")
    )
    scenario.clock.set(START + timedelta(days=29))
    documents = [
        used(f"d{n}", START + timedelta(minutes=n * 20), value=f"doc-{n}") for n in range(1730)
    ]
    levels = [
        used(
            f"l{day}", START + timedelta(day), MAIL, "mail_storage_overage_gb_month", quantity=level
        )
        for day, level in [(0, "150.000"), (15, "164.964")]
    ]
    await scenario.publish(*documents, *levels)
    scenario.clock.set(START + timedelta(days=33))
    await scenario.service.settled()
    first, second = sorted(
        await scenario.service.published(InvoiceIssued), key=lambda issued: issued.data.date
    )
    assert (first.data.number, second.data.number) == ("2026/A/000001", "2026/A/000002")
    assert [line.net for line in second.data.lines] == [
        Decimal(net)
        for net in ("49.00", "95.00", "24.07", "32.00", "61.50", "46.80", "5.00", "4.50")
    ]
    assert second.data.totals.totale_documento == Decimal("387.80")
    late = used("late", START + timedelta(days=5), value="doc-late")
    await scenario.publish(late)
    assert (await scenario.account())[("counted", "")] == 1733
    kept = await scenario.service.sql("select month, n from late_usage")
    assert [tuple(row) for row in kept] == [(START.date().replace(month=11, day=1), 1)]
    assert len(await scenario.service.published(InvoiceIssued)) == 2
