"""Preview a tenant's next documents: what a run would issue of what is known now, and of what is asked about.

The run's own rules over one snapshot, without a number and without a write: what is shown is what is billed if nothing else
happens until then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import uuid4

from schemas.billing import InvoiceLine, InvoiceTotals
from schemas.catalogue import Plan
from schemas.quantities import BASE, QuantityFault, quantity_faults
from schemas.reasons import Reason
from schemas.scalars import rfc3339
from schemas.tenants import LifeState
from services.billing import store
from services.billing.domain.documents import documents
from services.billing.domain.model import BilledService, BilledTenant
from services.billing.domain.periods import civil_day, next_boundary
from services.billing.domain.quantities import PRESENT, QuantityFact
from services.billing.domain.service_life import StateFact, life
from services.billing.store import sql
from services.billing.usecases.charge_tenant import charge_tenant
from services.billing.usecases.query_usage import NotKnown
from services.billing.usecases.services_in_time import Asked, TenantRun
from services.billing.usecases.tax_document import tax_drafts
from services.chassis.database import Connection
from services.chassis.store import collect

REASONS = {
    QuantityFault.NOT_SOLD: Reason.UNKNOWN_QUANTITY,
    QuantityFault.NOT_WHOLE: Reason.QUANTITY_NOT_WHOLE,
    QuantityFault.NOT_ONE_BASE: Reason.QUANTITY_FIXED,
}


@dataclass(frozen=True, slots=True)
class AskedChange:
    """Quantities of a service from an instant on, or the state it is in from then on; neither: it ends."""

    service_id: str
    quantities: Mapping[str, Decimal] | None
    effective_at: datetime
    state: LifeState | None = None


@dataclass(frozen=True, slots=True)
class AskedService:
    """A service that the tenant might order."""

    sku: str
    quantities: Mapping[str, Decimal]
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class PreviewedDocument:
    """A document as it would be issued, without its number."""

    tipo_documento: str
    currency: str
    lines: tuple[InvoiceLine, ...]
    totals: InvoiceTotals


@dataclass(frozen=True, slots=True)
class Preview:
    """What the next run of a tenant would issue."""

    boundary: date
    as_of: datetime
    documents: tuple[PreviewedDocument, ...]


class PreviewRefused(ValueError):
    """What is asked about cannot be; `pointer` says where."""

    def __init__(self, pointer: str, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.pointer, self.reason = pointer, reason


async def preview_invoice(
    db: Connection, tenant_id: str, now: datetime, changes: Sequence[AskedChange], services: Sequence[AskedService]
) -> Preview:  # fmt: skip
    """The documents of a tenant's next run. Raises `NotKnown` and `PreviewRefused`."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        tenant = await store.tenant(db, tenant_id)
        if tenant is None:
            raise NotKnown("no such tenant")
        asked = await _asked(db, tenant, changes, services)
        boundary, as_of = await _next_run(db, tenant, now)
        charges = await charge_tenant(db, tenant, boundary, as_of, asked)
        made = documents(charges, await store.originals(db, tenant.id))
        run = TenantRun(tenant, as_of)
        taxed = await tax_drafts(db, [(run, draft) for draft in made.drafts], boundary)
        found = [
            PreviewedDocument(draft.type, draft.currency, lines, totals)
            for draft, (lines, totals) in zip(made.drafts, taxed, strict=True)
        ]
    return Preview(boundary, as_of, tuple(found))


async def _next_run(db: Connection, tenant: BilledTenant, now: datetime) -> tuple[date, datetime]:
    """The boundary of the run that comes next, and up to when what is stored counts for it."""
    for row in await collect(sql.open_runs(db, tenants=[tenant.id])):
        return row["boundary"], min(row["as_of"], now)
    return next_boundary(civil_day(now, tenant.zone)), now


async def _asked(
    db: Connection, tenant: BilledTenant, changes: Sequence[AskedChange], services: Sequence[AskedService]
) -> Asked:  # fmt: skip
    known = {service.id: service for service in await store.services(db, tenant.id)}
    facts: dict[str, list[QuantityFact]] = {}
    states: dict[str, list[StateFact]] = {}
    stored = await store.state_facts(db, [store.AsOf(service_id) for service_id in known])
    for n, change in enumerate(changes):
        if change.service_id not in known:
            raise PreviewRefused(
                f"/changes/{n}/service_id", Reason.UNKNOWN_SERVICE, "the tenant has no such service"
            )
        service = known[change.service_id]
        own_states = states.setdefault(service.id, [])
        _check_life(n, [*stored[service.id], *own_states], change, service, tenant)
        if change.quantities is None:
            state = change.state or LifeState.ENDED
            own_states.append(StateFact(state, change.effective_at))
            continue
        _check(f"/changes/{n}", service.plan, change.quantities)
        own = facts.setdefault(change.service_id, [])
        own.extend(_facts(change.quantities, change.effective_at))
    added = []
    for n, ordered in enumerate(services):
        row = await sql.plan(db, sku=ordered.sku, revision=None, instant=ordered.effective_at)
        if row is None:
            raise PreviewRefused(
                f"/services/{n}/sku", Reason.UNKNOWN_SKU, "no plan of the catalogue has this SKU"
            )
        plan = Plan.model_validate(row["plan"])
        _check(f"/services/{n}", plan, ordered.quantities)
        base = {price.meter: Decimal(1) for price in plan.recurring if price.meter == BASE}
        made = BilledService(str(uuid4()), ordered.effective_at, plan, row["currency"])
        added.append(made)
        facts[made.id] = _facts(base | dict(ordered.quantities) or PRESENT, ordered.effective_at)
    return Asked(facts, added, states)


def _check_life(
    n: int, states: Sequence[StateFact], change: AskedChange, service: BilledService, tenant: BilledTenant
) -> None:  # fmt: skip
    ended_at = life(states, service.activated_at, tenant.zone).ended_at
    if ended_at is not None and change.effective_at >= ended_at:
        at = f"/changes/{n}/effective_at"
        raise PreviewRefused(at, Reason.ENDED, f"the service is there until {rfc3339(ended_at)}")


def _facts(quantities: Mapping[str, Decimal], at: datetime) -> list[QuantityFact]:
    return [QuantityFact(name, at, quantity) for name, quantity in quantities.items()]


def _check(pointer: str, plan: Plan, quantities: Mapping[str, Decimal]) -> None:
    sold = {price.meter for price in plan.recurring}
    for name, fault in quantity_faults(sold, quantities):
        raise PreviewRefused(f"{pointer}/quantities/{name}", REASONS[fault], f"{name}: {fault}")
