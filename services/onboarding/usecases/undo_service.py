"""Take a service instance back that cannot be made: its steps in reverse order, the doubtful one first."""

from schemas.catalogue import ProvisioningStep
from schemas.reasons import Reason
from schemas.tenants import ProvisioningFailed
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.model import ServiceInstance
from services.onboarding.domain.orders import item_that_makes
from services.onboarding.domain.states import ItemState, ServiceState
from services.onboarding.job_kinds import Step, UndoStep, undo_step
from services.onboarding.usecases.end_order import CANCELLED, settle
from services.onboarding.usecases.enqueue import enqueue_call


class StepMissing(RuntimeError):
    """What a step made is not there: it was made elsewhere, or somebody took it away. A person must look."""

    def __init__(self, n: int, step: ProvisioningStep) -> None:
        super().__init__(f"step {n} ({step.driver}) was made, and what it made is not there")


async def begin_undoing(args: Step, why: str, unit: Unit) -> None:
    """The time is used up, the back-end refused for good, or the order was cancelled.

    A call whose answer was lost may have worked, so the step that failed is undone as well.
    """
    service = await store.lock_service(unit.db, args.service_id)
    step = service.plan.provisioning[args.step]
    await store.move_service(unit.db, service, ServiceState.UNDOING, args.step, unit.now)
    undo = UndoStep(
        service_id=service.id, step=args.step, failed=step.driver, why=why, attempts=unit.attempts
    )
    enqueue_call(undo_step, undo, service.reseller_id, unit, step)


def step_found(service: ServiceInstance, args: UndoStep, unit: Unit) -> None:
    """What a step made was seen. Kept before it is taken back: a repetition that finds nothing knows that it was there."""
    step = service.plan.provisioning[args.step]
    enqueue_call(
        undo_step, args.model_copy(update={"found": True}), service.reseller_id, unit, step
    )


async def step_undone(service: ServiceInstance, args: UndoStep, unit: Unit) -> None:
    """A step is taken back: the one before it is next; after the first one the service instance has failed."""
    if args.step > 0:
        before = args.model_copy(update={"step": args.step - 1, "found": False})
        enqueue_call(
            undo_step, before, service.reseller_id, unit, service.plan.provisioning[before.step]
        )
        return
    await store.tenant_at_hand(unit.db, service.tenant_id)
    await store.move_service(unit.db, service, ServiceState.FAILED, 0)
    fault = args.why
    if args.why != CANCELLED:
        fault = f"{Reason.PROVISIONING_FAILED}: {args.why}"
        _say_failed(service, args, unit)
    item = item_that_makes(service, await store.items(unit.db, service.order_id))
    await settle(service.order_id, item.n, ItemState.FAILED, fault, unit)


def _say_failed(service: ServiceInstance, args: UndoStep, unit: Unit) -> None:
    unit.publish(
        ProvisioningFailed(
            service_id=service.id, order_id=service.order_id, sku=service.sku, step=args.failed,
            attempts=args.attempts, explanation=args.why,
        ),
        subject=service.tenant_id,
    )  # fmt: skip
