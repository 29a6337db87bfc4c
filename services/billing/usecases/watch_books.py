"""Audit the books of the last months every day, some tenants at a time, and save what was found."""

from dataclasses import dataclass
from datetime import date, timedelta

from services.billing import store
from services.billing.domain.audit import AuditDifference
from services.billing.domain.periods import month_of
from services.billing.job_kinds import AuditBooks, audit_books
from services.billing.store import sql
from services.billing.usecases.audit_books import (
    audit_numbers,
    audit_resellers,
    audit_tenant,
)
from services.chassis.database import Connection
from services.chassis.logs import logger
from services.chassis.unit import Unit

AUDIT_EVERY = timedelta(hours=24)
TENANTS_AT_ONCE = 100
AUDIT = "audit"
"""The one audit there is at a time, as a job's key."""

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class BooksCompared:
    """How far an audit has come. `last_tenant`: it goes on after it; None: all tenants have been compared."""

    day: date
    compared: int
    differences: int
    last_tenant: str | None


def plan_audit(unit: Unit) -> None:
    """Plan the next audit."""
    unit.enqueue(audit_books, AuditBooks(), at=unit.now + AUDIT_EVERY, key=AUDIT)


async def audit_some(db: Connection, args: AuditBooks, today: date) -> BooksCompared:
    """Compare the books of the next tenants; each difference is logged."""
    day = args.day or today
    tenants = await store.tenants_beyond(db, args.beyond, TENANTS_AT_ONCE)
    compared, differences = args.compared, args.differences
    found = [await audit_tenant(db, tenant, _since(day), day + timedelta(1)) for tenant in tenants]
    last_tenant = tenants[-1].id if len(tenants) == TENANTS_AT_ONCE else None
    if last_tenant is None:
        found.append(await audit_numbers(db, _since(day), day + timedelta(1)))
        found.append(await audit_resellers(db))
    for audited in found:
        compared, differences = compared + audited.compared, differences + len(audited.differences)
        for difference in audited.differences:
            log.error("the books do not agree", **_plain(difference))
    return BooksCompared(day, compared, differences, last_tenant)


async def go_on_auditing(found: BooksCompared, unit: Unit) -> None:
    """Compare the next tenants; after the last, save the result and plan the next audit."""
    if found.last_tenant is not None:
        rest = AuditBooks(
            day=found.day, beyond=found.last_tenant, compared=found.compared, differences=found.differences,
        )  # fmt: skip
        unit.enqueue(audit_books, rest, key=AUDIT)
        return
    await sql.add_audit(
        unit.db, checked_at=unit.now, from_day=_since(found.day), to_day=found.day + timedelta(1),
        compared=found.compared, differences=found.differences,
    )  # fmt: skip
    plan_audit(unit)


def _since(day: date) -> date:
    """The first day of the month before: its usage is on this month's documents."""
    return month_of(month_of(day).start - timedelta(1)).start


def _plain(difference: AuditDifference) -> dict[str, str]:
    return {
        "rule": difference.rule, "where": difference.where, "expected": difference.expected, "actual": difference.actual,
    }  # fmt: skip
