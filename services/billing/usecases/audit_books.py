"""Audit the books of some days: from raw events to buckets, charges, documents and commissions, each side must agree."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from schemas.billing import InvoiceIssued
from services.billing import store
from services.billing.domain.audit import (
    AuditDifference,
    Booked,
    StoredCharge,
    accounts_agree,
    credits_fit,
    ledger_is_document,
    lines_are_charges,
    numbers_have_no_gap,
    paid_is_noted,
    totals_are_lines,
)
from services.billing.domain.ledger import CauseKind, LedgerAccount, Transfer
from services.billing.domain.model import BilledTenant
from services.billing.domain.periods import Days, months
from services.billing.domain.recurring import unbilled_fees
from services.billing.metering.checks import RawGone, verify
from services.billing.metering.knowledge import load_meters
from services.billing.store import sql
from services.billing.usecases.accrue_commission import Earnings, earned_of
from services.billing.usecases.record_payment import standing
from services.billing.usecases.services_in_time import TenantRun, services_in_time
from services.billing.usecases.usage_beyond import TenantMonth, read_months, usage_beyond
from services.chassis.database import Connection
from services.chassis.store import collect


@dataclass(slots=True)
class Audited:
    """How much was compared, what did not agree, and what could not be looked at."""

    compared: int = 0
    differences: list[AuditDifference] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    def take(self, found: Iterable[AuditDifference], compared: int = 1) -> None:
        """Note comparisons and what they found."""
        self.compared += compared
        self.differences += found


async def audit_tenant(db: Connection, tenant: BilledTenant, first: date, after: date) -> Audited:
    """Compare everything of a tenant whose day lies in `[first, after)`, over one snapshot."""
    found = Audited()
    async with db.transaction(isolation="repeatable_read", readonly=True):
        await _buckets(db, tenant, first, after, found)
        await _ratings(db, tenant, first, after, found)
        await _documents(db, tenant, first, after, found)
        await _accounts(db, tenant, found)
    return found


async def audit_numbers(db: Connection, first: date, after: date) -> Audited:
    """Whether the numbers of each series and year, of the years of these days, are without a gap."""
    numbers: dict[str, list[int]] = {}
    for row in await collect(sql.numbers(db, first=first, after=after)):
        series, _, n = row["number"].rpartition("/")
        numbers.setdefault(series, []).append(int(n))
    found = Audited()
    found.take(numbers_have_no_gap(numbers), sum(map(len, numbers.values())))
    return found


async def audit_resellers(db: Connection) -> Audited:
    """Whether what resellers have accrued and are owed agrees with their commissions and statements."""
    found = Audited()
    async with db.transaction(isolation="repeatable_read", readonly=True):
        accounts = (LedgerAccount.RESELLER_ACCRUED, LedgerAccount.RESELLER_PAYABLE)
        balances = {
            (row["party"], row["account"], row["currency"]): -row["balance"]
            for row in await collect(sql.balances_by_party(db, accounts=accounts))
        }
        owed = await collect(sql.owed_to_resellers(db))
    for account, column in zip(accounts, ("accrued", "payable"), strict=True):
        expected = {f"{row['reseller_id']} {row['currency']}": row[column] for row in owed}
        actual = {
            f"{party} {currency}": amount
            for (party, of, currency), amount in balances.items()
            if of == account
        }
        found.take(accounts_agree(f"ledger = {column}", expected, actual), len(expected))
    return found


async def _accounts(db: Connection, tenant: BilledTenant, found: Audited) -> None:
    """What a tenant owes by the ledger is what its documents ask for, less credit notes and payments."""
    rows = await collect(sql.balances(db, party=tenant.id))
    balances: dict[str, dict[str, Decimal]] = {}
    for row in rows:
        balances.setdefault(row["account"], {})[f"{tenant.id} {row['currency']}"] = row["balance"]
    owed = await collect(sql.owed_by_documents(db, tenant_id=tenant.id))
    expected = {f"{tenant.id} {row['currency']}": row["amount"] for row in owed}
    found.take(
        accounts_agree("ledger = receivable", expected, balances.get(LedgerAccount.RECEIVABLE, {})),
        len(expected),
    )
    found.take(
        accounts_agree("unbilled = 0", {}, balances.get(LedgerAccount.UNBILLED, {})), len(expected)
    )


async def _buckets(
    db: Connection, tenant: BilledTenant, first: date, after: date, found: Audited
) -> None:
    try:
        outcome = await verify(db, [tenant], first, after)
    except RawGone as gone:
        found.passed_over.append(f"usage = buckets: {gone}")
        return
    found.take(
        (
            AuditDifference("usage = buckets", f"{one.service_id} {one.meter} {one.starts:%Y-%m-%d %H:%M}Z",
                            one.recomputed, one.stored)
            for one in outcome.differences
        ),
        outcome.buckets,
    )  # fmt: skip


async def _ratings(
    db: Connection, tenant: BilledTenant, first: date, after: date, found: Audited
) -> None:
    """What was billed is what it comes to when it is rated again, with what its run knew."""
    run = await sql.last_closed(db, tenant_id=tenant.id)
    if run is None:
        return
    services = await services_in_time(db, tenant, run["as_of"])
    billed_of = await store.billed(db, [one.service.id for one in services])
    for one in (one for one in services if one.started <= run["boundary"]):
        service, billed = one.service, billed_of[one.service.id]
        fees = unbilled_fees(
            service.plan,
            one.changes,
            billed,
            run["boundary"],
            service.step,
            one.price_of,
            one.free_of,
        )
        found.take(
            AuditDifference("fees = charges", f"{service.id} {component} {month.start:%Y-%m}", str(due), str(was))
            for component, month, due, was in fees if first <= month.start < after
        )  # fmt: skip
    dirty = (await store.oldest_dirty(db, [tenant.id])).get(tenant.id)
    as_run, meters = TenantRun(tenant, run["as_of"]), await load_meters(db)
    for month in _closed(first, after, run["boundary"]):
        if dirty is not None and month.start >= dirty:
            found.passed_over.append(f"usage of {month.start:%Y-%m}: the next run rates it again")
            continue
        [books] = await read_months(db, meters, [TenantMonth(as_run, services, month)])
        beyond = usage_beyond(books, meters)
        found.take(
            (
                AuditDifference("usage = charges", f"{service_id} {charge.component} {month.start:%Y-%m}",
                                f"{charge.net} more", "what was billed")
                for service_id, charge in beyond
            ),
            len(services),
        )  # fmt: skip


def _closed(first: date, after: date, boundary: date) -> Iterator[Days]:
    for month in months(first, min(after, boundary)):
        if first <= month.start and month.end <= min(after, boundary):
            yield month


async def _documents(
    db: Connection, tenant: BilledTenant, first: date, after: date, found: Audited
) -> None:
    for row in await collect(sql.documents_in(db, tenant_id=tenant.id, first=first, after=after)):
        issued = InvoiceIssued.model_validate(row["document"])
        stored = await collect(sql.charges_of(db, invoice_id=row["id"]))
        charges = [StoredCharge(one["component"], one["quantity"], one["net"]) for one in stored]
        found.take(lines_are_charges(issued, charges), len(charges))
        found.take(totals_are_lines(issued))
        notes = await collect(sql.credit_notes(db, invoice_id=row["id"]))
        credited = [InvoiceIssued.model_validate(note["document"]) for note in notes]
        found.take(credits_fit(issued, credited), len(notes))
        stands = (await standing(db, row)).receivable
        found.take(paid_is_noted(issued.number, stands, noted=row["paid_on"] is not None))
        earned_on, as_of = row["credited_on"] or row["issued_on"], row["as_of"] or store.ALWAYS
        found.take(await _commission(db, tenant, issued, earned_on, as_of))
        found.take(await _ledger(db, issued))


async def _commission(
    db: Connection, tenant: BilledTenant, issued: InvoiceIssued, earned_on: date, as_of: datetime
) -> list[AuditDifference]:
    """What resellers earn of a document is what their contracts say."""
    [earned] = await earned_of(db, [Earnings(tenant, issued, earned_on, as_of)])
    kept = await collect(sql.commissions_of(db, invoice_id=issued.invoice_id))
    expected = sorted((one.reseller_id, one.base, one.uplift) for one in earned)
    actual = sorted((row["reseller_id"], row["base"], row["uplift"]) for row in kept)
    if expected == actual:
        return []
    return [AuditDifference("commission = contract", issued.number, _spoken(expected), _spoken(actual))]  # fmt: skip


async def _ledger(db: Connection, issued: InvoiceIssued) -> list[AuditDifference]:
    """What was booked for a document follows from it and from the commissions kept."""
    kept = await collect(sql.commissions_of(db, invoice_id=issued.invoice_id))
    earned = {row["reseller_id"]: row["base"] + row["uplift"] for row in kept}
    causes = [CauseKind.DOCUMENT, CauseKind.COMMISSION]
    booked = [
        Booked(CauseKind(row["cause"]), row["party"],
               Transfer(LedgerAccount(row["debit"]), LedgerAccount(row["credit"]), row["amount"]))
        for row in await collect(sql.transfers_of(db, causes=causes, cause_id=issued.invoice_id))
    ]  # fmt: skip
    return list(ledger_is_document(issued, earned, booked))


def _spoken(rows: Sequence[tuple[str, object, object]]) -> str:
    return ", ".join(f"{who} {base} + {uplift}" for who, base, uplift in rows) or "nothing"
