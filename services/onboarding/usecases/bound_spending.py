"""Suspend what a plan allows while a hard cap is reached, until the next month or a higher cap."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from schemas import identity
from schemas.billing import CapReached, CapSet, TenantCapReached, TenantCapSet
from schemas.identity import SPENDING_CAP
from schemas.orders import ItemAction
from schemas.tenants import OrderAcknowledged, OrderState
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.model import Order, ServiceInstance, Tenant
from services.onboarding.job_kinds import MonthBegins, month_begins
from services.onboarding.store import sql
from services.onboarding.usecases.begin_items import begin

ALL = 100
"""Per cent of a cap."""

SOURCE = "/vicino/onboarding"
ROME = ZoneInfo("Europe/Rome")
AnyCap = CapReached | CapSet | TenantCapReached | TenantCapSet


async def cap_reached(
    tenant_id: str, data: CapReached | TenantCapReached, event_id: str, unit: Unit
) -> None:
    """A share of a cap is spent. When all of a hard one is, its services are suspended that may be, until the month ends."""
    tenant = await store.lock_tenant(unit.db, tenant_id)
    if tenant is not None and data.hard and data.percent >= ALL:
        await _suspend_bounded(tenant, data, data.month, event_id, unit)


async def cap_set(tenant_id: str, data: CapSet | TenantCapSet, event_id: str, unit: Unit) -> None:
    """A cap was set, changed or lifted. Where there is room again, what it suspended serves again at once.

    One that begins with a later month changes nothing yet.
    """
    tenant = await store.lock_tenant(unit.db, tenant_id)
    if tenant is None or (data.amount is not None and data.spent is None):
        return
    spent = data.spent or Decimal(0)
    if data.hard and data.amount is not None and spent and spent >= data.amount:
        await _suspend_bounded(tenant, data, data.since, event_id, unit)
        return
    await sql.forget_reached_cap(unit.db, tenant_id=tenant_id, cap=_name(data))
    await _resume_unbounded(tenant, f"resume|{event_id}", unit)


async def _suspend_bounded(
    tenant: Tenant, data: AnyCap, month: date, event_id: str, unit: Unit
) -> None:
    until = _end_of_month(month)
    if unit.now >= until:
        return
    service_id = data.service_id if isinstance(data, CapReached | CapSet) else None
    await sql.note_reached_cap(
        unit.db, tenant_id=tenant.id, cap=_name(data), service_id=service_id, until=until
    )
    args = MonthBegins(tenant_id=tenant.id)
    unit.enqueue(month_begins, args, at=until, key=f"{tenant.id} {until.date()}")
    bounded = [
        service
        for service in await store.services_that_serve(unit.db, tenant.id)
        if service.plan.suspend_at_cap and service_id in (None, service.id)
    ]
    await _order(tenant, ItemAction.SUSPEND, bounded, f"suspend|{event_id}", unit)


async def begin_month(tenant_id: str, unit: Unit) -> None:
    """A new month: the caps of the one before bound nothing any more."""
    tenant = await store.tenant_at_hand(unit.db, tenant_id)
    await sql.forget_past_caps(unit.db, tenant_id=tenant_id, now=unit.now)
    await _resume_unbounded(tenant, f"month|{unit.now.isoformat()}", unit)


async def _resume_unbounded(tenant: Tenant, seed: str, unit: Unit) -> None:
    """Let those serve again that no reached cap bounds any more."""
    unbounded = await store.services_unbounded(unit.db, tenant.id)
    await _order(tenant, ItemAction.RESUME, unbounded, seed, unit)


async def _order(
    tenant: Tenant, action: ItemAction, services: Iterable[ServiceInstance], seed: str, unit: Unit
) -> None:
    """An order of our own: it is seen, logged and done as any other."""
    chosen = list(services)
    if not chosen:
        return
    order = Order(
        id=identity.order_id(tenant.id, SOURCE, seed, SPENDING_CAP), tenant_id=tenant.id, reference=f"{action} at cap",
        state=OrderState.IN_PROGRESS, effective_at=unit.now, accepted_at=unit.now, revision=0, principal=SPENDING_CAP,
        judged_for=tenant.reseller_id, released=True, reseller_id=tenant.reseller_id,
    )  # fmt: skip
    await store.add_order(unit.db, order)
    for n, service in enumerate(chosen):
        await sql.add_item(
            unit.db,
            order_id=order.id,
            n=n,
            action=action,
            sku=None,
            service_id=service.id,
            quantities={},
        )
    unit.publish(
        OrderAcknowledged(order_id=order.id, reference=order.reference, effective_at=unit.now),
        subject=tenant.id,
    )
    for item in await store.items(unit.db, order.id):
        await begin(order, item, {}, unit)


def _name(data: AnyCap) -> str:
    """By what a tenant's caps differ."""
    if isinstance(data, CapReached | CapSet):
        return f"{data.service_id} {' '.join(sorted(data.meters))}"
    return data.currency


def _end_of_month(first: date) -> datetime:
    after = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime.combine(after, time(), ROME)
