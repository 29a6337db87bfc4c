"""The kinds of jobs: their arguments, and how often and how long each is tried. Use cases enqueue them, `jobs.py` runs them."""

from services.chassis.backoff import Backoff
from services.chassis.jobs import GIVE_UP_AFTER, OUTSIDE_CALL, JobKind
from services.chassis.unit import Args

CALLS_AT_ONCE = 32
"""Of one kind, to all back-ends; each back-end has a limit of its own."""


class AssignReseller(Args):
    """Place a tenant."""

    tenant_id: str


class PlanOrder(Args):
    """Turn the items of an order into service instances and steps."""

    order_id: str


class Step(Args):
    """One step of a service instance's plan."""

    service_id: str
    step: int

    @property
    def about(self) -> str:
        """What a person reads in the list of jobs."""
        return f"service {self.service_id} step {self.step}"


class OfItem(Args):
    """What is about one item of an order."""

    order_id: str
    n: int
    service_id: str

    @property
    def about(self) -> str:
        """What a person reads in the list of jobs."""
        return f"order {self.order_id} item {self.n}"


class ChangeService(OfItem):
    """One item of an order that changes a service, or the state that it is in."""


class BeginItem(OfItem):
    """Begin with one item of an order, whose time has come, and with what else is due of its service."""


class MonthBegins(Args):
    """A new month for a tenant of which a cap was reached."""

    tenant_id: str


class MoveTenant(Args):
    """Move a tenant to another reseller, on the day that was decided."""

    tenant_id: str
    reseller_id: str


class RestoreService(OfItem):
    """Bring the back-ends of a service back to what it is, after an item of an order failed or was cancelled."""


class RemoveStep(Step):
    """Remove what a step of an ended service made."""


class UndoStep(Step):
    """Take back a step that was made, because of `why`; `failed` is the driver that gave up."""

    failed: str
    why: str
    attempts: int = 5
    """After how many it gave up; 5 in rows that were written before this was kept."""
    found: bool = False
    """That what the step made is there was seen, before it is taken back."""


assign_reseller = JobKind(
    "assign_reseller", AssignReseller, attempts=None, backoff=Backoff(0.2, max_seconds=30)
)
plan_order = JobKind("plan_order", PlanOrder, attempts=None, backoff=Backoff(0.2, max_seconds=30))
provision_step = JobKind(
    "provision_step",
    Step,
    attempts=None,
    give_up_after=GIVE_UP_AFTER,
    backoff=OUTSIDE_CALL,
    concurrency=CALLS_AT_ONCE,
)
change_service = JobKind(
    "change_service", ChangeService,
    attempts=None, give_up_after=GIVE_UP_AFTER, backoff=OUTSIDE_CALL, concurrency=CALLS_AT_ONCE,
)  # fmt: skip
begin_item = JobKind("begin_item", BeginItem, attempts=None, backoff=Backoff(0.2, max_seconds=30))
month_begins = JobKind(
    "month_begins", MonthBegins, attempts=None, backoff=Backoff(0.2, max_seconds=30)
)
move_tenant = JobKind(
    "move_tenant", MoveTenant, attempts=None, backoff=Backoff(0.2, max_seconds=30)
)
restore_service = JobKind(
    "restore_service", RestoreService,
    attempts=None, give_up_after=GIVE_UP_AFTER, backoff=OUTSIDE_CALL, concurrency=CALLS_AT_ONCE,
)  # fmt: skip
remove_step = JobKind(
    "remove_step", RemoveStep, attempts=None, backoff=OUTSIDE_CALL, concurrency=CALLS_AT_ONCE
)
undo_step = JobKind(
    "undo_step", UndoStep, attempts=None, backoff=OUTSIDE_CALL, concurrency=CALLS_AT_ONCE
)
