"""What `vicino caps`, `contracts`, `preview`, `explain` and `audit` do, on billing's own database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

from schemas.billing import SettlementIssued
from services.billing import store
from services.billing.domain.agreed_prices import AgreedPrice
from services.billing.domain.commission import ContractModel, last_told
from services.billing.domain.model import BilledTenant
from services.billing.domain.receivables import Receivable
from services.billing.domain.settlement import NoQuarter
from services.billing.job_kinds import invoice_run, watch_caps
from services.billing.metering.checks import RawGone
from services.billing.store import sql
from services.billing.usecases.agree_contract import (
    ContractTooEarly,
    NoSuchReseller,
    agree_contract,
)
from services.billing.usecases.agree_price import PriceRefused, agree_price
from services.billing.usecases.audit_books import (
    Audited,
    audit_numbers,
    audit_resellers,
    audit_tenant,
)
from services.billing.usecases.explain_invoice import explain_invoice
from services.billing.usecases.hold_run import RunClosed, approve_run, hold_run
from services.billing.usecases.parked_runs import retry_runs, show_parked
from services.billing.usecases.preview_invoice import (
    AskedChange,
    AskedService,
    Preview,
    PreviewRefused,
    preview_invoice,
)
from services.billing.usecases.query_usage import NotKnown
from services.billing.usecases.record_payment import PaymentRefused, record_payment
from services.billing.usecases.retract_usage import RetractionRefused, retract_usage
from services.billing.usecases.set_cap import CapRefused, NoSuchService
from services.billing.usecases.set_tenant_cap import any_cap
from services.billing.usecases.settle_reseller import QuarterNotOver, settle_quarter, statement
from services.billing.usecases.show_accounts import show_accounts
from services.billing.usecases.show_agreed import show_agreed
from services.billing.usecases.show_caps import show_caps
from services.billing.usecases.show_drafts import show_drafts
from services.billing.usecases.show_invoices import show_invoices
from services.chassis.clock import SystemClock
from services.chassis.database import Connection, Pool, open_pool
from services.chassis.jobs import asked_by_commands
from services.chassis.unit import Cause, Unit, transaction

REFUSED = (
    NotKnown, NoSuchService, CapRefused, NoSuchReseller, ContractTooEarly, PreviewRefused, RetractionRefused, RawGone,
    PaymentRefused, NoQuarter, QuarterNotOver, RunClosed, PriceRefused,
)  # fmt: skip
"""What is asked for cannot be done; the message says why."""

asked_by_commands(invoice_run, watch_caps)

SERVICE = "billing"
CONNECTIONS = 2


@asynccontextmanager
async def _pool(url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(url, SERVICE, CONNECTIONS, "vicino-billing-operator")
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def _reading(url: str) -> AsyncIterator[Connection]:
    async with _pool(url) as pool, pool.acquire() as db:
        yield db


@asynccontextmanager
async def _writing(url: str) -> AsyncIterator[Unit]:
    """A transaction whose facts leave with the running service."""
    async with (
        _pool(url) as pool,
        transaction(pool, SERVICE, SystemClock(), Cause(f"operator|{uuid4()}")) as unit,
    ):
        yield unit


async def _tenant(db: Connection, wanted: str) -> BilledTenant:
    for tenant in await store.tenants(db):
        if wanted in (tenant.id, tenant.external_id):
            return tenant
    raise NotKnown(f"no tenant has the id or external id {wanted}")


async def cap(
    url: str, tenant: str, service_id: str | None, meters: Sequence[str], amount: Decimal | None, *, currency: str | None,
    hard: bool, since: date | None,
) -> None:  # fmt: skip
    """Set a cap on meters of a service, or on the whole month, or lift it. Raises what `any_cap` raises, and `NotKnown`."""
    async with _writing(url) as unit:
        found = await _tenant(unit.db, tenant)
        await any_cap(
            found.id, unit, service_id=service_id, meters=meters, currency=currency, amount=amount, hard=hard, since=since
        )  # fmt: skip


async def caps(url: str, tenant: str) -> list[dict[str, Any]]:
    """The caps of this month. Raises `NotKnown`."""
    async with _reading(url) as db:
        return await show_caps(db, (await _tenant(db, tenant)).id, SystemClock().now())


async def contract(
    url: str, reseller_id: str, since: date, model: ContractModel, rate: Decimal, uplift: Decimal
) -> None:
    """Agree a contract. Raises what `agree_contract` raises."""
    async with _writing(url) as unit:
        await agree_contract(
            reseller_id, unit, since=since, model=model, rate_percent=rate, first_year_uplift_percent=uplift
        )  # fmt: skip


async def contracts(url: str, reseller_id: str) -> list[dict[str, Any]]:
    """A reseller's contracts, by the day they count from."""
    async with _reading(url) as db:
        return [
            {"since": one.since, "model": one.model, "rate_percent": one.rate_percent,
             "first_year_uplift_percent": one.first_year_uplift_percent}
            for one in last_told(await store.contracts(db, reseller_id, store.ALWAYS))
        ]  # fmt: skip


async def preview(
    url: str, tenant: str, changes: Sequence[AskedChange], services: Sequence[AskedService]
) -> Preview:
    """A tenant's next documents. Raises `NotKnown`, `PreviewRefused`."""
    async with _reading(url) as db:
        found = await _tenant(db, tenant)
        return await preview_invoice(db, found.id, SystemClock().now(), changes, services)


async def retracted(
    url: str, tenant: str, source: str, event_id: str, reason: str, sender: str | None
) -> bool:
    """Take back a usage event; returns whether it counted until now. Raises what `retract_usage` raises."""
    async with _writing(url) as unit:
        found = await _tenant(unit.db, tenant)
        return await retract_usage(found.id, source, event_id, reason, unit, sender)


async def paid(
    url: str, number: str, reference: str, amount: Decimal, received_on: date
) -> Receivable:
    """Record a payment; returns where the invoice stands. Raises what `record_payment` raises."""
    async with _writing(url) as unit:
        return await record_payment(number, reference, amount, received_on, unit)


async def invoices(url: str, tenant: str) -> list[dict[str, Any]]:
    """A tenant's invoices, newest first. Raises `NotKnown`."""
    async with _reading(url) as db:
        return await show_invoices(db, (await _tenant(db, tenant)).id, SystemClock().now())


async def document(url: str, number: str) -> dict[str, Any]:
    """A document as it was issued. Raises `NotKnown`."""
    async with _reading(url) as db:
        found = await sql.invoice(db, name=number)
        if found is None:
            raise NotKnown("no such invoice")
        return found["document"]  # type: ignore[no-any-return]


async def parked(url: str) -> list[dict[str, Any]]:
    """Runs that fail and are retried."""
    async with _reading(url) as db:
        return await show_parked(db)


async def retry_parked(url: str, tenants: Sequence[str]) -> int:
    """Try parked runs of some tenants now, or all; returns how many. Raises `NotKnown`."""
    async with _writing(url) as unit:
        return await retry_runs(unit.db, [(await _tenant(unit.db, one)).id for one in tenants])


async def agree(url: str, tenant: str, asked: AgreedPrice, by: str, reason: str) -> None:
    """Agree a price. Raises `NotKnown`, `PriceRefused`."""
    async with _writing(url) as unit:
        await agree_price((await _tenant(unit.db, tenant)).id, asked, by, reason, unit)


async def agreed(url: str, tenant: str) -> list[dict[str, Any]]:
    """Prices agreed with a tenant. Raises `NotKnown`."""
    async with _reading(url) as db:
        return await show_agreed(db, (await _tenant(db, tenant)).id)


async def drafts(url: str, limit: int) -> list[dict[str, Any]]:
    """What runs in their grace time, and runs that are held, would issue: of so many runs, due first."""
    async with _reading(url) as db:
        return await show_drafts(db, SystemClock().now(), limit)


async def hold(url: str, tenant: str, boundary: date | None, reason: str) -> date:
    """Hold a run; none: the tenant's next one. Returns its boundary. Raises `NotKnown`, `RunClosed`."""
    async with _writing(url) as unit:
        return await hold_run((await _tenant(unit.db, tenant)).id, boundary, reason, unit)


async def approve(url: str, tenant: str, boundary: date | None) -> date:
    """Approve a held run. Returns its boundary. Raises `NotKnown`, `RunClosed`."""
    async with _writing(url) as unit:
        return await approve_run((await _tenant(unit.db, tenant)).id, boundary, unit)


async def stated(url: str, reseller_id: str, quarter: str) -> list[SettlementIssued]:
    """What a reseller is paid for a quarter. Raises `NoQuarter`."""
    async with _reading(url) as db:
        return await statement(db, reseller_id, quarter)


async def settled(url: str, quarter: str, today: date | None = None) -> list[SettlementIssued]:
    """Issue the statements of a quarter that is over today. Raises `NoQuarter`, `QuarterNotOver`."""
    async with _writing(url) as unit:
        return await settle_quarter(quarter, today or SystemClock().now().date(), unit)


async def balances(url: str, tenant: str | None, reseller: str | None) -> list[dict[str, Any]]:
    """What accounts come to: of a tenant, of a reseller, or of all. Raises `NotKnown`."""
    async with _reading(url) as db:
        party = reseller if tenant is None else (await _tenant(db, tenant)).id
        return await show_accounts(db, party)


async def explained(url: str, number: str, line: int | None) -> dict[str, Any]:
    """What is behind a document, or one line of it. Raises `NotKnown`."""
    async with _reading(url) as db:
        return await explain_invoice(db, number, line)


async def audited(
    url: str, first: date, after: date, tenant: str | None
) -> AsyncIterator[tuple[str, Audited]]:
    """Audit tenant by tenant, then all numbers and resellers; yields (external id, what was found)."""
    async with _reading(url) as db:
        chosen = await store.tenants(db) if tenant is None else [await _tenant(db, tenant)]
        for one in chosen:
            yield one.external_id or one.id, await audit_tenant(db, one, first, after)
        yield "numbers", await audit_numbers(db, first, after)
        yield "resellers", await audit_resellers(db)
