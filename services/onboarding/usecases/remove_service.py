"""Remove what an ended service instance has in its back-ends, once its retention is over: its steps in reverse order."""

from datetime import datetime

from schemas.tenants import ServiceRemoved
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.model import ServiceInstance
from services.onboarding.job_kinds import RemoveStep, remove_step
from services.onboarding.usecases.enqueue import enqueue_call


def enqueue_removal(service: ServiceInstance, at: datetime, unit: Unit) -> None:
    """Ask for the removal of its last step; each step removed asks for the one before it."""
    last = len(service.plan.provisioning) - 1
    _enqueue(service, last, at, unit)


async def step_removed(service: ServiceInstance, step: int, unit: Unit) -> None:
    """A step is removed. After the first one nothing is left, and that is published."""
    if step > 0:
        _enqueue(service, step - 1, unit.now, unit)
        return
    ended_at, ended_by = await store.remove_service(unit.db, service)
    unit.publish(
        ServiceRemoved(service_id=service.id, sku=service.sku, ended_at=ended_at, order_id=ended_by),
        subject=service.tenant_id,
    )  # fmt: skip


def _enqueue(service: ServiceInstance, step: int, at: datetime, unit: Unit) -> None:
    args = RemoveStep(service_id=service.id, step=step)
    enqueue_call(
        remove_step, args, service.reseller_id, unit, service.plan.provisioning[step], at=at
    )
