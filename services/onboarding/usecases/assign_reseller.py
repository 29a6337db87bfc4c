"""Give a tenant its local reseller: the preferred one if it fits, the best fitting one, or the one that the operator chose."""

from datetime import datetime
from enum import StrEnum

from schemas.envelope import Event
from schemas.orders import AssignmentDecided
from schemas.reasons import Reason
from schemas.tenants import AssignmentNeeded, TenantAssigned
from services.chassis.parking import Missing
from services.chassis.unit import Rejected, Unit
from services.onboarding import metrics, store
from services.onboarding.domain.assignment import (
    Need,
    fitting,
    measure,
    nearest,
    preferred_of,
    preferring,
    rank,
)
from services.onboarding.domain.authority import Sender
from services.onboarding.domain.model import Order, Tenant
from services.onboarding.domain.quotas import Quota
from services.onboarding.domain.states import TenantState
from services.onboarding.store import sql
from services.onboarding.usecases.end_order import refuse_order
from services.onboarding.usecases.enqueue import enqueue_planning
from services.onboarding.usecases.hold_over_quota import firm_fault, hold
from services.onboarding.usecases.plan_order import CatalogueBehind


class TenantAssignedBy(StrEnum):
    """Who chose the reseller."""

    POLICY = "policy"
    PREFERENCE = "preference"
    OPERATOR = "operator"


async def assign_by_policy(tenant_id: str, quota: Quota, unit: Unit) -> None:
    """Place a tenant with the reseller that it prefers or else the best fitting one that still has room, or ask a person.

    Raises `CatalogueBehind` while a catalogue is not known that one of its orders was judged by.
    """
    tenant = await store.tenant_at_hand(unit.db, tenant_id)
    if tenant.reseller_id is not None:
        return
    orders = await store.open_orders(unit.db, tenant.id)
    if not orders:
        return  # they ended meanwhile: a place would be taken for nothing
    if await sql.known_revision(unit.db) < max(order.revision for order in orders):
        raise CatalogueBehind
    if fault := await firm_fault(tenant, quota, unit):
        await _ask_a_person(tenant, orders, Reason.QUOTA_EXCEEDED, fault, unit)
        return
    preferred = preferred_of(order.preferred for order in orders)
    ranking = rank(await _need(tenant, unit), await store.resellers(unit.db))
    for candidate in preferring(fitting(ranking), preferred):
        reseller_id = candidate.reseller.reseller_id
        if await store.take_capacity(unit.db, reseller_id):
            is_preferred = reseller_id == preferred
            by = TenantAssignedBy.PREFERENCE if is_preferred else TenantAssignedBy.POLICY
            await _assign(tenant, reseller_id, by, unit, preferred)
            return
    await _ask_a_person(
        tenant,
        orders,
        Reason.MANUAL_ASSIGNMENT,
        "no reseller fits: an operator must choose one",
        unit,
    )


async def assign_by_operator(event: Event[AssignmentDecided], unit: Unit) -> None:
    """Place a tenant that the policy could not place.

    Raises `Missing` while the tenant or the reseller is not known, and `Rejected`: `already_assigned`, `nothing_waits`.
    """
    tenant = await store.lock_tenant(unit.db, event.subject)
    if tenant is None:
        raise Missing(Reason.UNKNOWN_TENANT, "no such tenant")
    if tenant.reseller_id is not None:
        raise Rejected(Reason.ALREADY_ASSIGNED, "this tenant has a reseller")
    if not await store.open_orders(unit.db, tenant.id):
        raise Rejected(Reason.NOTHING_WAITS, "this tenant has no order that waits for a reseller")
    if await sql.force_capacity(unit.db, id=event.data.reseller_id) is None:
        raise Missing(Reason.UNKNOWN_RESELLER, "no such reseller")
    await sql.release_orders(unit.db, tenant_id=tenant.id)
    await _assign(tenant, event.data.reseller_id, TenantAssignedBy.OPERATOR, unit)


async def _need(tenant: Tenant, unit: Unit) -> Need:
    skus = await store.ordered_skus(unit.db, tenant.id)
    return Need(tenant.place, tenant.language, tenant.vertical, skus)


async def _assign(
    tenant: Tenant, reseller_id: str, by: TenantAssignedBy, unit: Unit, preferred: str | None = None
) -> None:
    """Give a tenant its reseller (whose place was taken before) and start on its orders."""
    await publish_assignment(tenant, reseller_id, by, unit, preferred)
    await sql.set_reseller(unit.db, id=tenant.id, reseller_id=reseller_id)
    await store.move_tenant(unit.db, tenant, TenantState.ONBOARDING)
    for order in await store.open_orders(unit.db, tenant.id):
        if Sender(order.principal).may_go_on(reseller_id, tenant.registered_by):
            await sql.judge_order(unit.db, id=order.id, reseller_id=reseller_id)
            enqueue_planning(order.id, tenant.id, unit)
        else:
            await refuse_order(order, unit)
    metrics.ASSIGNMENTS.labels(by).inc()


async def publish_assignment(
    tenant: Tenant, reseller_id: str, by: TenantAssignedBy, unit: Unit, preferred: str | None = None,
    effective_at: datetime | None = None,
) -> None:  # fmt: skip
    """Publish who serves a tenant, and how the others stood. The place of the chosen one was taken before."""
    need = await _need(tenant, unit)
    # The place just taken must not weigh on the score that is shown.
    known = [
        profile.model_copy(update={"active": profile.active - 1})
        if profile.reseller_id == reseller_id
        else profile
        for profile in await store.resellers(unit.db)
    ]
    chosen = next(
        measure(need, profile) for profile in known if profile.reseller_id == reseller_id
    ).shown()
    ranking = tuple(candidate.shown() for candidate in rank(need, known))
    unit.publish(
        TenantAssigned(
            reseller_id=reseller_id,
            distance_km=chosen.distance_km,
            score=chosen.score,
            by=by,
            ranking=ranking,
            preferred=preferred,
            effective_at=effective_at,
        ),
        subject=tenant.id,
    )


async def _ask_a_person(
    tenant: Tenant, orders: list[Order], reason: Reason, explanation: str, unit: Unit
) -> None:
    ranking = rank(await _need(tenant, unit), await store.resellers(unit.db))
    await store.move_tenant(unit.db, tenant, TenantState.WAITING)
    for order in orders:
        unit.publish(
            AssignmentNeeded(
                order_id=order.id,
                nearest=tuple(candidate.shown() for candidate in nearest(ranking)),
            ),
            subject=tenant.id,
        )
        await hold(order, reason, explanation, unit)
    metrics.ASSIGNMENTS.labels("nobody").inc()
