"""The audit compares the books with themselves: it finds nothing in sound ones, and whatever was changed by hand."""

from collections.abc import AsyncIterator
from datetime import date

import pytest

from services.billing import store
from services.billing.domain.audit import AuditDifference
from services.billing.usecases.audit_books import audit_numbers, audit_resellers, audit_tenant
from services.chassis.database import Connection, connect
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
    run_until,
    shared_scenario,
    used,
)
from tests.integration.billing.test_commission import CONTRACT, agreed, assigned
from tests.support.catalogue import CATALOGUE
from tests.support.servers import Addresses

FIRST, AFTER = date(2026, 11, 1), date(2027, 2, 1)


@pytest.fixture(scope="module")
async def books(addresses: Addresses) -> AsyncIterator[Scenario]:
    """Two months of fees, usage, late usage, a credit note and commission."""
    async with shared_scenario(addresses) as scenario:
        await scenario.publish(catalogue(CATALOGUE), assigned("VAR-A"))
        assert await scenario.put(CONTRACT, agreed()) == (204, None)
        scenario.clock.set(day("2026-11-20"))
        await scenario.publish(
            activated(ERP, "ERP-CLOUD", 0, base="1", extra_user="2"),
            activated(MAIL, "MAIL-STD", 1, mailbox="3", pec_mailbox="1"),
            used("level", START, MAIL, STORAGE, quantity="100"),
            *(used(f"d{n}", day("2026-11-02", n), value=f"d-{n}") for n in range(120)),
        )
        await run_until(scenario, "2026-12-01")
        await scenario.publish(used("late", day("2026-11-10"), MAIL, STORAGE, quantity="10"))
        await run_until(scenario, "2027-01-01")
        yield scenario


async def final_tables(db: Connection) -> list[str]:
    """Tables that refuse every change of what is in them."""
    rows = await db.fetch(
        "select tgrelid::regclass::text as name from pg_trigger where tgname = 'final' order by 1"
    )
    return [row["name"] for row in rows]


async def audited(
    scenario: Scenario, compared: int = 20, numbered: int = 3, after: str = ""
) -> list[AuditDifference]:
    """What an audit finds, `after` a statement that is undone again.

    It must have compared more than so many things, and at least so many numbers.
    """
    db = await connect(scenario.url, "billing", "test")
    try:
        undone = db.transaction(isolation="repeatable_read")
        await undone.start()
        if after:
            for table in await final_tables(db):
                await db.execute(f"alter table {table} disable trigger final")
            assert await db.execute(after) not in ("UPDATE 0", "DELETE 0")
        tenant = await store.tenant(db, TENANT)
        assert tenant is not None
        found = await audit_tenant(db, tenant, FIRST, AFTER)
        numbers = await audit_numbers(db, FIRST, AFTER)
        resellers = await audit_resellers(db)
        await undone.rollback()
    finally:
        await db.close()
    assert found.compared > compared
    assert numbers.compared >= numbered
    return found.differences + numbers.differences + resellers.differences


async def test_sound_books_agree_and_it_is_noted_every_day(books: Scenario) -> None:
    assert await audited(books) == []
    books.clock.set(day("2027-01-20"))
    await books.service.settled()
    rows = await books.service.sql("select differences, compared from audit order by id")
    assert rows
    assert {row["differences"] for row in rows} == {0}
    assert rows[-1]["compared"] > 20


TAMPERED = {
    "a bucket": ("update meter_bucket set n = n + 1, total = total + 1", "usage = buckets"),
    "a value": ("delete from meter_value where ctid = (select min(ctid) from meter_value)", "usage = buckets"),
    "usage of a closed month": ("delete from meter_level", "usage = charges"),
    "a fee": ("update charge set net = net - 1 where kind = 'recurring' and component = 'ERP-CLOUD/base'", "fees = charges"),
    "a charge of usage": ("update charge set net = net + 0.01 where kind = 'usage'", "usage = charges"),
    "a charge that is gone": (
        "delete from charge where id = (select max(id) from charge where invoice_id is not null)", "lines = charges"
    ),
    "a line": ("update invoice set document = jsonb_set(document, '{lines,0,net}', '\"1.00\"')", "lines = charges"),
    "a sum": ("update invoice set document = jsonb_set(document, '{totals,imposta}', '\"1.00\"')", "totals = lines"),
    "what is to be paid": (
        "update invoice set document = jsonb_set(document, '{totals,da_pagare}', '\"1.00\"')", "totals = lines"
    ),
    "a credit note": (
        "update invoice set document = jsonb_set(document, '{totals,totale_documento}', '\"9999.00\"') where tipo = 'TD04'",
        "credits <= document",
    ),
    "a commission": ("update commission set base = base + 0.01", "commission = contract"),
    "a commission that is gone": ("delete from commission", "commission = contract"),
    "a transfer": ("update transfer set amount = amount + 1 where debit = 'receivable'", "ledger = document"),
    "a transfer that is gone": ("delete from transfer where credit = 'vat'", "ledger = receivable"),
    "a transfer of a commission": ("update transfer set amount = amount + 1 where cause = 'commission'", "ledger = accrued"),
    "a transfer that nobody made": (
        """insert into transfer (cause, cause_id, party, debit, credit, currency, amount, booked_on, stored_at)
        values ('charges', 'x', (select max(id) from tenant), 'unbilled', 'revenue', 'EUR', 1, '2026-11-01', now())""",
        "unbilled = 0",
    ),
    "a statement": (
        """insert into transfer (cause, cause_id, party, debit, credit, currency, amount, booked_on, stored_at)
        values ('settlement', 'x', 'VAR-A', 'reseller_accrued', 'reseller_payable', 'EUR', 1, '2026-11-01', now())""",
        "ledger = payable",
    ),
    "a number": ("update invoice set number = '2026/A/000009' where number = '2026/A/000002'", "numbers"),
}  # fmt: skip


@pytest.mark.parametrize(("tamper", "rule"), TAMPERED.values(), ids=TAMPERED)
async def test_whatever_is_changed_by_hand_is_found(
    books: Scenario, tamper: str, rule: str
) -> None:
    found = await audited(books, after=tamper)
    assert rule in {difference.rule for difference in found}
    assert all(difference.expected != difference.actual for difference in found)
