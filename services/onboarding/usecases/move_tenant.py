"""Move a tenant from its reseller to another one, as an operator decided: places, access and what is earned follow."""

from schemas.envelope import Event
from schemas.orders import ReassignmentDecided
from schemas.reasons import Reason
from services.chassis.parking import Missing
from services.chassis.unit import Rejected, Unit
from services.onboarding import metrics, store
from services.onboarding.domain.model import Tenant
from services.onboarding.job_kinds import MoveTenant, move_tenant
from services.onboarding.store import sql
from services.onboarding.usecases.assign_reseller import TenantAssignedBy, publish_assignment


async def decide_move(event: Event[ReassignmentDecided], unit: Unit) -> None:
    """Move it now, or on the day that was decided; a later decision takes the place of one that waits for its day.

    Raises `Missing` while the tenant or the reseller is not known, and `Rejected`: `assignment_needed` for a tenant without a
    reseller, `already_assigned` when that reseller serves it.
    """
    tenant = await store.lock_tenant(unit.db, event.subject)
    if tenant is None:
        raise Missing(Reason.UNKNOWN_TENANT, "no such tenant")
    if await sql.profile_of(unit.db, id=event.data.reseller_id) is None:
        raise Missing(Reason.UNKNOWN_RESELLER, "no such reseller")
    if tenant.reseller_id is None:
        raise Rejected(Reason.ASSIGNMENT_NEEDED, "the tenant has no reseller: choose one instead")
    if tenant.reseller_id == event.data.reseller_id:
        raise Rejected(Reason.ALREADY_ASSIGNED, "this reseller serves the tenant")
    at = event.data.effective_at
    if at is not None and at > unit.now:
        args = MoveTenant(tenant_id=tenant.id, reseller_id=event.data.reseller_id)
        unit.enqueue(move_tenant, args, at=at, key=tenant.id)
        return
    unit.cancel(move_tenant, tenant.id)
    await _move(tenant, event.data.reseller_id, unit)


async def move_on_its_day(args: MoveTenant, unit: Unit) -> None:
    """Move a tenant that is still another reseller's; one that has left meanwhile stays where it is."""
    tenant = await store.tenant_at_hand(unit.db, args.tenant_id)
    if tenant.reseller_id not in (None, args.reseller_id):
        await _move(tenant, args.reseller_id, unit)


async def _move(tenant: Tenant, reseller_id: str, unit: Unit) -> None:
    """A person decided: the new reseller takes it beyond its capacity too."""
    assert tenant.reseller_id is not None, "it has a reseller"
    await sql.force_capacity(unit.db, id=reseller_id)
    await sql.give_back_capacity(unit.db, id=tenant.reseller_id)
    await sql.set_reseller(unit.db, id=tenant.id, reseller_id=reseller_id)
    await publish_assignment(
        tenant, reseller_id, TenantAssignedBy.OPERATOR, unit, effective_at=unit.now
    )
    metrics.ASSIGNMENTS.labels(TenantAssignedBy.OPERATOR).inc()
