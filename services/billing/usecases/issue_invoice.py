"""Issue what a tenant owes at a boundary: its documents, in one transaction that holds the tenant alone.

A service's first boundary is the day it starts (fees in advance and set-up), then the first day of each civil month, on
which all services of a tenant share their documents. A run is finalised some hours later (grace), so that late usage and
late facts of the boundary's eve are in it; the documents carry the boundary's date.
"""

from datetime import date, timedelta
from decimal import Decimal
from uuid import NAMESPACE_OID, uuid5

from schemas.billing import InvoiceIssued, InvoiceReference, InvoiceSkipped
from schemas.catalogue import UsagePrice
from services.billing import metrics, store
from services.billing.domain.allowances import MeteredUse, free_quantities
from services.billing.domain.charges import Charge
from services.billing.domain.documents import Draft, ServiceCharge, documents
from services.billing.domain.invoice import SERIES, due_date, lines, number, totals
from services.billing.domain.meters import Meters
from services.billing.domain.model import BilledService, BilledTenant
from services.billing.domain.money import exactly
from services.billing.domain.periods import Days, civil_day, midnight, month_of
from services.billing.domain.pricing import usage_charges
from services.billing.domain.quantities import Change, timeline
from services.billing.domain.recurring import average_units, recurring_charges, setup_charge
from services.billing.metering.knowledge import load_meters
from services.billing.metering.reading import days, metered
from services.billing.store import sql
from services.chassis.database import Connection
from services.chassis.unit import Unit


def invoice_id(tenant_id: str, boundary: date, *more: str) -> str:
    """The same document of the same run has the same id."""
    return str(
        uuid5(NAMESPACE_OID, "|".join(("vicino", "invoice", tenant_id, str(boundary), *more)))
    )


async def issue_invoice(tenant_id: str, boundary: date, unit: Unit) -> None:
    """Make and issue the documents of a tenant and boundary, if that was not done before. No charges: no document."""
    tenant = await store.lock_tenant(unit.db, tenant_id)
    if not await sql.open_run(unit.db, tenant_id=tenant_id, boundary=boundary):
        return
    charges = await _charges(unit.db, tenant, boundary)
    if boundary.day == 1:
        instant = midnight(boundary, tenant.zone)
        await sql.close_until(unit.db, id=tenant_id, instant=instant)
    is_credited = any(one.charge.net < 0 for one in charges)
    originals = await store.originals(unit.db, tenant_id) if is_credited else []
    made = documents(charges, originals)
    for n, draft in enumerate(made.drafts):
        of = (draft.type, draft.currency, draft.corrects.id if draft.corrects else "")
        await _issue(
            tenant, invoice_id(tenant_id, boundary, *of[: 3 if n else 0]), boundary, draft, unit
        )
    for one in made.unbilled:
        await store.add_charge(unit.db, None, tenant_id, one)
    if made.unbilled and not made.drafts:
        unit.publish(
            InvoiceSkipped(boundary=boundary, charges=len(made.unbilled)), subject=tenant_id
        )


async def _issue(
    tenant: BilledTenant, document_id: str, boundary: date, draft: Draft, unit: Unit
) -> None:
    found = lines([(one.service_id, one.charge) for one in draft.charges], boundary)
    n = await sql.next_number(unit.db, series=SERIES, year=boundary.year)
    original = draft.corrects
    issued = InvoiceIssued(
        invoice_id=document_id, number=number(boundary.year, n), date=boundary, due=due_date(boundary),
        tipo_documento=draft.type, currency=draft.currency, reseller_id=tenant.reseller_id, lines=found, totals=totals(found),
        corrects=InvoiceReference(number=original.number, date=original.issued_on) if original else None,
    )  # fmt: skip
    await sql.add_invoice(
        unit.db, id=document_id, tenant_id=tenant.id, boundary=boundary, issued_on=boundary, number=issued.number,
        tipo=draft.type, corrects=original.id if original else None, document=issued.model_dump(mode="json"),
    )  # fmt: skip
    for one in draft.ledger:
        await store.add_charge(unit.db, document_id, tenant.id, one)
    unit.publish(issued, subject=tenant.id)
    metrics.INVOICES.inc()


async def _charges(db: Connection, tenant: BilledTenant, boundary: date) -> list[ServiceCharge]:
    """All charges of a run, in the order of the document: services as the tenant got them, fees, then usage."""
    meters = await load_meters(db)
    due: list[tuple[BilledService, list[Charge], list[Change]]] = []
    for service in await store.services(db, tenant.id):
        started = civil_day(service.activated_at, tenant.zone)
        if started > boundary or (boundary.day != 1 and started != boundary):
            continue
        facts = await store.quantity_facts(db, service.id)
        changes = timeline(facts, service.activated_at, tenant.zone)
        due.append((service, await _fees(db, service, started, changes, boundary), changes))
    usage = await _usage(db, tenant, meters, due, boundary) if boundary.day == 1 else {}
    return [
        ServiceCharge(service.id, charge, service.currency)
        for service, fees, _ in due
        for charge in (*fees, *usage.get(service.id, []))
    ]


async def _fees(
    db: Connection, service: BilledService, started: date, changes: list[Change], boundary: date
) -> list[Charge]:
    is_set_up = await sql.has_setup(db, service_id=service.id)
    setup = None if is_set_up else setup_charge(service.plan, started)
    billed = await store.billed(db, service.id)
    return [
        *([setup] if setup else []),
        *recurring_charges(service.plan, changes, billed, boundary),
    ]


async def _usage(
    db: Connection,
    tenant: BilledTenant,
    meters: Meters,
    due: list[tuple[BilledService, list[Charge], list[Change]]],
    boundary: date,
) -> dict[str, list[Charge]]:
    """The charges of the month before, by service; allowances may be pooled over the tenant."""
    month = month_of(boundary - timedelta(days=1))
    span = days(month.start, month.end, tenant.zone)
    priced: list[BilledService] = []
    uses: list[MeteredUse] = []
    for service, _, changes in due:
        if civil_day(service.activated_at, tenant.zone) >= boundary:
            continue
        for price in service.plan.usage:
            used = await metered(db, service.id, price.meter, meters, span)
            priced.append(service)
            uses.append(MeteredUse(service.plan.sku, price, used, _included(price, changes, month)))
    found: dict[str, list[Charge]] = {}
    for service, use, free in zip(priced, uses, free_quantities(uses), strict=True):
        charges = usage_charges(service.plan, use.price, use.quantity, free, month)
        found.setdefault(service.id, []).extend(charges)
    return found


def _included(price: UsagePrice, changes: list[Change], month: Days) -> Decimal:
    included = price.included or Decimal(0)
    if price.included_per is None:
        return included
    with exactly():
        return included * average_units(changes, price.included_per, month)
