"""Issue an invoice: what a tenant owes at a boundary, in one transaction that holds the tenant alone.

The first boundary is the day of activation (fees in advance and set-up), then the first day of each civil month. A run
is finalised some hours later (grace), so that late usage and late facts of the boundary's eve are in it; the document
carries the boundary's date.
"""

from datetime import date, timedelta
from decimal import Decimal
from uuid import NAMESPACE_OID, uuid5
from zoneinfo import ZoneInfo

from schemas.billing import InvoiceIssued
from schemas.catalogue import Plan, UsagePrice
from services.billing import metrics, store
from services.billing.domain.charges import Charge
from services.billing.domain.invoice import SERIES, due_date, lines, number, totals
from services.billing.domain.meters import Meters
from services.billing.domain.model import BilledTenant
from services.billing.domain.periods import Days, civil_day, midnight, month_of
from services.billing.domain.pricing import usage_charges
from services.billing.domain.quantities import Change, timeline
from services.billing.domain.recurring import average_units, recurring_charges, setup_charge
from services.billing.metering.knowledge import load_meters
from services.billing.metering.reading import days, metered
from services.billing.store import sql
from services.chassis.database import Connection
from services.chassis.unit import Unit


def invoice_id(tenant_id: str, boundary: date) -> str:
    """The same run is the same invoice."""
    return str(uuid5(NAMESPACE_OID, f"vicino|invoice|{tenant_id}|{boundary}"))


async def issue_invoice(tenant_id: str, boundary: date, unit: Unit) -> None:
    """Make and issue the invoice of a tenant and boundary, if it was not made before. No charges: no document."""
    tenant = await store.lock_tenant(unit.db, tenant_id)
    opened = await sql.open_invoice(
        unit.db,
        id=invoice_id(tenant_id, boundary),
        tenant_id=tenant_id,
        boundary=boundary,
        issued_on=boundary,
    )
    if opened is None:
        return
    charges = await _charges(unit.db, tenant_id, boundary, tenant.zone)
    await sql.close_until(unit.db, id=tenant_id, instant=midnight(boundary, tenant.zone))
    for service_id, charge in charges:
        await store.add_charge(unit.db, opened, tenant_id, service_id, charge)
    if charges:
        await _publish(tenant, opened, boundary, charges, unit)


async def _publish(
    tenant: BilledTenant,
    opened: str,
    boundary: date,
    charges: list[tuple[str, Charge]],
    unit: Unit,
) -> None:
    document_lines = lines(charges, boundary)
    n = await sql.next_number(unit.db, series=SERIES, year=boundary.year)
    issued = InvoiceIssued(
        invoice_id=opened, number=number(boundary.year, n), date=boundary, due=due_date(boundary), currency=tenant.currency,
        reseller_id=tenant.reseller_id, lines=document_lines, totals=totals(document_lines),
    )  # fmt: skip
    await sql.issue_invoice(
        unit.db, id=opened, number=issued.number, document=issued.model_dump(mode="json")
    )
    unit.publish(issued, subject=tenant.id)
    metrics.INVOICES.inc()


async def _charges(
    db: Connection, tenant_id: str, boundary: date, zone: ZoneInfo
) -> list[tuple[str, Charge]]:
    """All charges of a run, in the order of the document: services as the tenant got them, fees, then usage."""
    meters = await load_meters(db)
    found: list[tuple[str, Charge]] = []
    for service in await store.services(db, tenant_id):
        plan = service.plan
        activated = civil_day(service.activated_at, zone)
        if activated > boundary:
            continue
        facts = await store.quantity_facts(db, service.id)
        changes = timeline(facts, service.activated_at, zone)
        setup = (
            None
            if await sql.has_setup(db, service_id=service.id)
            else setup_charge(plan, activated)
        )
        charges = [setup] if setup else []
        charges += recurring_charges(plan, changes, await store.billed(db, service.id), boundary)
        if boundary.day == 1 and activated < boundary:
            month = month_of(boundary - timedelta(days=1))
            for price in plan.usage:
                charges += await _usage(db, service.id, plan, price, meters, changes, month, zone)
        found += [(service.id, charge) for charge in charges]
    return found


async def _usage(
    db: Connection, service_id: str, plan: Plan, price: UsagePrice, meters: Meters, changes: list[Change], month: Days,
    zone: ZoneInfo,
) -> list[Charge]:  # fmt: skip
    quantity = await metered(
        db, service_id, price.meter, meters, days(month.start, month.end, zone)
    )
    included = price.included or Decimal(0)
    if price.included_per is not None:
        included *= average_units(changes, price.included_per, month)
    return usage_charges(plan, price, quantity, included, month)
