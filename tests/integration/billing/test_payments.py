"""Payments: in part, in full, too much, back; a reference counts once; what is overdue is reported once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from schemas.billing import InvoiceIssued, InvoiceOverdue, InvoicePaid, PaymentRecorded
from tests.integration.billing.scenario import (
    MAIL,
    START,
    STORAGE,
    TENANT,
    Scenario,
    activated,
    catalogue,
    day,
    open_scenario,
    run_until,
    shared_scenario,
    used,
)
from tests.integration.billing.test_audit import audited
from tests.integration.chassis.test_operators import vicino
from tests.support.catalogue import CATALOGUE
from tests.support.servers import Addresses


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    """One invoice of 4.76, and one of 17.93 a month later."""
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await invoice_twice(found)
        yield found


@pytest.fixture(scope="module")
async def unpaid(addresses: Addresses) -> AsyncIterator[Scenario]:
    """The same, of which no test pays anything."""
    async with shared_scenario(addresses) as found:
        await invoice_twice(found)
        yield found


async def invoice_twice(scenario: Scenario) -> None:
    await scenario.publish(catalogue(CATALOGUE))
    await scenario.publish(
        activated(MAIL, "MAIL-STD", 0, mailbox="1", pec_mailbox="0"),
        used("level", START, MAIL, STORAGE, quantity="100"),
    )
    await run_until(scenario, "2026-11-01", "2026-12-01")


async def number(scenario: Scenario, boundary: str) -> str:
    [found] = [
        event.data.number for event in await scenario.service.published(InvoiceIssued)
        if (str(event.data.date), event.data.tipo_documento) == (boundary, "TD01")
    ]  # fmt: skip
    return found


async def pay(scenario: Scenario, amount: str, reference: str = "r1", **said: Any) -> Any:
    first = await number(scenario, "2026-11-01")
    body = {"number": first, "reference": reference, "amount": amount, "received_on": "2026-12-05"}
    return await scenario.post("/v1/payments", {**body, **said})


async def stands(scenario: Scenario) -> tuple[str, str, str]:
    found = [row for row in await scenario.get(f"/v1/tenants/{TENANT}/invoices") if row["date"] == "2026-11-01"]  # fmt: skip
    return found[0]["paid"], found[0]["open"], found[0]["state"]


async def test_an_invoice_is_paid_in_parts_and_told_as_paid_once(scenario: Scenario) -> None:
    assert await pay(scenario, "4.00") == (200, {"open": "0.76"})
    assert await pay(scenario, "4.00") == (200, {"open": "0.76"})
    assert await scenario.service.published(InvoicePaid) == []
    assert await pay(scenario, "1.00", "r2") == (200, {"open": "-0.24"})
    assert await stands(scenario) == ("5.00", "-0.24", "overpaid")
    assert await pay(scenario, "-0.24", "r3") == (200, {"open": "0.00"})
    assert await stands(scenario) == ("4.76", "0.00", "paid")
    [paid] = [event.data for event in await scenario.service.published(InvoicePaid)]
    assert (paid.number, str(paid.paid_on)) == (await number(scenario, "2026-11-01"), "2026-12-05")
    recorded = [event.data for event in await scenario.service.published(PaymentRecorded)]
    assert [(str(one.amount), str(one.open)) for one in recorded] == [
        ("4.00", "0.76"),
        ("1.00", "-0.24"),
        ("-0.24", "0.00"),
    ]
    assert await audited(scenario, compared=10, numbered=2) == []


@pytest.mark.parametrize(
    ("said", "status", "pointer", "reason"),
    [
        ({"amount": "0"}, 422, "/amount", "price_range"),
        ({"amount": "-0.01"}, 422, "/amount", "price_range"),
        ({"amount": "1.005"}, 422, "/amount", "minor_unit"),
        ({"amount": "1000000000.01"}, 422, "/amount", "price_range"),
        ({"amount": 4.76}, 422, "/amount", "bad_data"),
        ({"reference": ""}, 422, "/reference", "text"),
        ({"received_on": "yesterday"}, 422, "/received_on", "bad_data"),
        ({"number": "2020/A/000001"}, 404, "", ""),
    ],
    ids=["nothing", "back before it came", "half a cent", "beyond all", "a float", "no reference", "no day", "no invoice"],
)  # fmt: skip
async def test_a_payment_that_cannot_be_is_refused(
    unpaid: Scenario, said: dict[str, Any], status: int, pointer: str, reason: str
) -> None:
    found, problem = await pay(unpaid, **{"amount": "4.76", **said})
    assert found == status
    if pointer:
        assert [(fault["pointer"], fault["reason"]) for fault in problem["errors"]] == [(pointer, reason)]  # fmt: skip
    assert await stands(unpaid) == ("0", "4.76", "overdue")


async def test_a_reference_with_other_content_is_refused(scenario: Scenario) -> None:
    assert (await pay(scenario, "4.00"))[0] == 200
    status, problem = await pay(scenario, "4.01")
    [fault] = problem["errors"]
    assert (status, fault["pointer"], fault["reason"]) == (422, "/reference", "id_reuse")


async def test_what_is_not_paid_in_time_is_told_once_with_what_is_open(scenario: Scenario) -> None:
    assert (await pay(scenario, "1.00"))[0] == 200
    second = await number(scenario, "2026-12-01")
    assert await scenario.service.published(InvoiceOverdue) != []
    [first] = [event.data for event in await scenario.service.published(InvoiceOverdue)]
    assert (str(first.due), str(first.open)) == ("2026-12-01", "4.76")
    scenario.clock.set(day("2026-12-31", 1))
    await scenario.service.settled()
    assert len(await scenario.service.published(InvoiceOverdue)) == 1
    scenario.clock.set(day("2027-01-01", 1))
    await scenario.service.settled()
    late = [event.data.number for event in await scenario.service.published(InvoiceOverdue)]
    assert late == [first.number, second]
    scenario.clock.advance(timedelta(days=40))
    await scenario.service.settled()
    assert late.count(second) == 1


async def test_a_credit_note_lowers_what_is_open_and_may_settle_it(scenario: Scenario) -> None:
    second = await number(scenario, "2026-12-01")
    assert await pay(scenario, "4.76", number=second) == (200, {"open": "13.17"})
    await scenario.publish(used("less", START + timedelta(minutes=1), MAIL, STORAGE, quantity="10"))
    await run_until(scenario, "2027-01-01")
    rows = {row["date"]: row for row in await scenario.get(f"/v1/tenants/{TENANT}/invoices")}
    row = rows["2026-12-01"]
    assert (row["asked"], row["credited"], row["paid"], row["open"], row["state"]) == (
        "17.93", "13.18", "4.76", "-0.01", "overpaid",
    )  # fmt: skip
    [paid] = [event.data for event in await scenario.service.published(InvoicePaid)]
    assert str(paid.paid_on) == "2027-01-01"
    issued = [event.data for event in await scenario.service.published(InvoiceIssued)]
    [note] = [one for one in issued if one.tipo_documento == "TD04"]
    status, _ = await pay(scenario, "1.00", number=note.number)
    assert status == 422


async def test_payments_are_recorded_and_listed_at_the_command_line(scenario: Scenario) -> None:
    first = await number(scenario, "2026-11-01")
    record = ("payments", "record", first, "4.76", "--reference", "r1", "--on", "2026-12-05")
    assert await vicino(*record, url=scenario.url) == (0, f"Open of {first}: 0.00\n")
    back = (
        "payments",
        "record",
        first,
        "5.00",
        "--reference",
        "r2",
        "--on",
        "2026-12-06",
        "--back",
    )
    code, said = await vicino(*back, url=scenario.url)
    assert (code, said) == (1, "Vicino cannot go on: 4.76 came: no more can go back\n")
    code, said = await vicino("invoices", "list", TENANT, url=scenario.url)
    assert (code, first in said, "paid" in said) == (0, True, True)
    assert (await vicino("invoices", "list", "nobody", "--json", url=scenario.url))[0] == 1
