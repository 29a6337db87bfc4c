"""What comes after a month's invoice is billed, or given back, by the next one, with the days it belongs to."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from schemas.tenants import ServiceChanged
from services.billing.metering.checks import rebuild
from services.chassis.database import connect
from tests.integration.billing.scenario import (
    ERP,
    MAIL,
    START,
    STORAGE,
    TENANT,
    Scenario,
    activated,
    catalogue,
    day,
    fact,
    issued,
    open_scenario,
    run_until,
    told,
    used,
)
from tests.support.catalogue import CATALOGUE


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE))
        yield found


async def test_late_usage_is_on_the_next_document_with_its_own_days(scenario: Scenario) -> None:
    scenario.clock.set(day("2026-11-20"))
    documents = [used(f"d{n}", START + timedelta(minutes=n), value=f"d-{n}") for n in range(110)]
    await scenario.publish(activated(ERP, "ERP-CLOUD", 0, base="1"), *documents)
    await run_until(scenario, "2026-12-01")
    assert await told(scenario, "2026-12-01", "ERP-CLOUD/e_invoices") == [
        ("2026-11-01", "10", "0.80")
    ]
    late = [used(f"l{n}", START + timedelta(hours=1, minutes=n), value=f"l-{n}") for n in range(25)]
    await scenario.publish(*late)
    await run_until(scenario, "2027-01-01", "2027-02-01")
    assert await told(scenario, "2027-01-01", "ERP-CLOUD/e_invoices") == [
        ("2026-11-01", "25", "2.00")
    ]
    assert await told(scenario, "2027-02-01", "ERP-CLOUD/e_invoices") == []


async def test_a_late_level_changes_every_month_up_to_the_next_sample(scenario: Scenario) -> None:
    await scenario.publish(
        activated(MAIL, "MAIL-STD", 0, mailbox="1", pec_mailbox="0"),
        used("first", START, MAIL, STORAGE, quantity="100"),
    )
    await run_until(scenario, "2026-12-01", "2027-01-01")
    assert await told(scenario, "2027-01-01", "MAIL-STD/storage") == [("2026-12-01", "90", "10.80")]
    scenario.clock.set(day("2027-01-04"))
    await scenario.publish(used("late", day("2026-11-30"), MAIL, STORAGE, quantity="900"))
    await run_until(scenario, "2027-02-01")
    assert await told(scenario, "2027-02-01", "MAIL-STD/storage") == [
        ("2027-01-01", "890", "106.80"),
        ("2026-11-01", "26.666667", "3.20"),
        ("2026-12-01", "800", "96.00"),
    ]


async def test_a_lower_level_that_comes_late_is_credited(scenario: Scenario) -> None:
    await scenario.publish(
        activated(MAIL, "MAIL-STD", 0, mailbox="1", pec_mailbox="0"),
        used("first", START, MAIL, STORAGE, quantity="100"),
    )
    await run_until(scenario, "2026-12-01")
    assert await told(scenario, "2026-12-01", "MAIL-STD/storage") == [("2026-11-01", "90", "10.80")]
    await scenario.publish(used("late", day("2026-11-16"), MAIL, STORAGE, quantity="60"))
    await run_until(scenario, "2027-01-01")
    note = await issued(scenario, "2027-01-01", "TD04")
    assert note is not None
    assert note.corrects is not None
    original = await issued(scenario, "2026-12-01")
    assert original is not None
    assert note.corrects.number == original.number
    assert await told(scenario, "2027-01-01", "MAIL-STD/storage", "TD04") == [
        ("2026-11-01", "20", "2.40")
    ]
    assert await told(scenario, "2027-01-01", "MAIL-STD/storage") == [("2026-12-01", "50", "6.00")]
    assert note.totals.totale_documento == Decimal("2.93")


async def test_a_change_told_late_changes_the_pool_of_its_month(scenario: Scenario) -> None:
    await scenario.publish(
        activated(MAIL, "MAIL-STD", 0, mailbox="1", pec_mailbox="0"),
        used("first", START, MAIL, STORAGE, quantity="100"),
    )
    await run_until(scenario, "2026-12-01")
    changed = ServiceChanged.model_validate(
        {"service_id": MAIL, "order_id": TENANT, "sku": "MAIL-STD", "quantities": {"mailbox": "3"},
         "changed": {"mailbox": "3"}, "effective_at": START}
    )  # fmt: skip
    await scenario.publish(fact(changed, "changed"))
    await run_until(scenario, "2027-01-01")
    assert await told(scenario, "2027-01-01", "MAIL-STD/storage", "TD04") == [
        ("2026-11-01", "20", "2.40")
    ]


async def test_a_rebuilt_month_is_rated_again(scenario: Scenario) -> None:
    scenario.clock.set(day("2026-11-20"))
    documents = [used(f"d{n}", START + timedelta(minutes=n), value=f"d-{n}") for n in range(110)]
    await scenario.publish(activated(ERP, "ERP-CLOUD", 0, base="1"), *documents)
    await scenario.service.sql(
        "delete from meter_value where value in (select value from meter_value limit 4)"
    )
    await run_until(scenario, "2026-12-01")
    assert await told(scenario, "2026-12-01", "ERP-CLOUD/e_invoices") == [
        ("2026-11-01", "6", "0.48")
    ]
    db = await connect(scenario.url, "billing", "test")
    await rebuild(db, TENANT, date(2026, 11, 1), date(2026, 12, 1))
    await db.close()
    await run_until(scenario, "2027-01-01")
    assert await told(scenario, "2027-01-01", "ERP-CLOUD/e_invoices") == [("2026-11-01", "4", "0.32")]  # fmt: skip


@pytest.mark.parametrize("held_up", [False, True], ids=["in time", "17 days later"])
async def test_a_run_counts_what_was_there_when_it_was_due(
    scenario: Scenario, held_up: bool
) -> None:
    documents = [used(f"d{n}", START + timedelta(minutes=n), value=f"d-{n}") for n in range(110)]
    late = [used(f"l{n}", START + timedelta(hours=2, minutes=n), value=f"l-{n}") for n in range(25)]
    scenario.clock.set(day("2026-11-20"))
    await scenario.publish(activated(ERP, "ERP-CLOUD", 0, base="1", extra_user="1"))
    await scenario.publish(*documents)
    changed = ServiceChanged.model_validate(
        {"service_id": ERP, "order_id": TENANT, "sku": "ERP-CLOUD", "quantities": {"extra_user": "3"},
         "changed": {"extra_user": "3"}, "effective_at": day("2026-11-16")}
    )  # fmt: skip
    if held_up:
        await scenario.service.sql(
            "update job set run_at = run_at + interval '17 days' where kind = 'invoice_run'"
        )
        scenario.clock.set(day("2026-12-18"))
        await scenario.publish(*late, fact(changed, "changed"))
        assert (await scenario.account())[("parked", "")] == 25
    await run_until(scenario, "2026-12-18" if held_up else "2026-12-01")  # fmt: skip
    if not held_up:
        scenario.clock.set(day("2026-12-18"))
        await scenario.publish(*late, fact(changed, "changed"))
    document = await issued(scenario, "2026-12-01")
    assert document is not None
    said = [(line.sku, str(line.net)) for line in document.lines]
    assert said == [
        ("ERP-CLOUD/base", "49.00"),
        ("ERP-CLOUD/extra_user", "19.00"),
        ("ERP-CLOUD/e_invoices", "0.80"),
    ]
    assert (await scenario.account())[("counted", "")] == 135
    await run_until(scenario, "2027-01-01")
    assert await told(scenario, "2027-01-01", "ERP-CLOUD/e_invoices") == [
        ("2026-11-01", "25", "2.00")
    ]
    assert await told(scenario, "2027-01-01", "ERP-CLOUD/extra_user") == [
        ("2027-01-01", "3", "57.00"), ("2026-12-01", "2", "38.00"), ("2026-11-16", "2", "19.00"),
    ]  # fmt: skip
