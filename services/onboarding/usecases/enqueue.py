"""Ask for onboarding's jobs: in which lane, and within which limit, each of them runs."""

from datetime import datetime
from typing import TypeVar

from schemas.catalogue import ProvisioningStep
from services.chassis.jobs import JobKind
from services.chassis.unit import Unit
from services.onboarding.adapters import limit_of
from services.onboarding.job_kinds import (
    AssignReseller,
    ChangeService,
    PlanOrder,
    RemoveStep,
    RestoreService,
    Step,
    UndoStep,
    assign_reseller,
    plan_order,
)

CallT = TypeVar("CallT", Step, ChangeService, RestoreService, UndoStep, RemoveStep)


def enqueue_assignment(tenant_id: str, unit: Unit) -> None:
    """Place a tenant; one job, however many of its orders ask for it."""
    unit.enqueue(assign_reseller, AssignReseller(tenant_id=tenant_id), key=tenant_id)


def enqueue_planning(order_id: str, tenant_id: str, unit: Unit) -> None:
    """Plan an order. Orders of one tenant are planned one after the other, in the order accepted."""
    unit.enqueue(plan_order, PlanOrder(order_id=order_id), lane=f"tenant:{tenant_id}")


def enqueue_released(order_id: str, unit: Unit) -> None:
    """Plan an order that a person released, beside the others: it was accepted before those that wait in line, and a change
    among them may wait for the service that it makes."""
    unit.enqueue(plan_order, PlanOrder(order_id=order_id))


def enqueue_call(
    kind: JobKind[CallT], args: CallT, reseller_id: str | None, unit: Unit, *steps: ProvisioningStep,
    lane: str | None = None, at: datetime | None = None,
) -> None:  # fmt: skip
    """Call the back-ends of `steps`, whose places are shared fairly over resellers; `at` an instant, or now."""
    unit.enqueue(
        kind,
        args,
        at=at,
        key=args.about,
        lane=lane,
        limit=limit_of(*steps),
        party=reseller_id or "",
    )


def lane_of_service(service_id: str) -> str:
    """Changes of one service are made one after the other: each begins where the one before ended."""
    return f"service:{service_id}"
