"""Assignment, provisioning and its undoing: each a job, each finished in one transaction."""

from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import TypeVar

import asyncpg

from schemas.catalogue import Place, Plan, ProvisioningStep
from schemas.orders import ItemAction
from schemas.reasons import Reason
from schemas.tenants import (
    AssignmentNeeded,
    OrderDelayed,
    OrderState,
    ProvisioningFailed,
    ServiceActivated,
    ServiceChanged,
    TenantAssigned,
)
from services.chassis.backoff import Backoff
from services.chassis.jobs import (
    GIVE_UP_AFTER,
    OUTSIDE_CALL,
    Delay,
    Job,
    JobHandler,
    JobKind,
    RetryLater,
    handle,
)
from services.chassis.unit import Args, Unit
from services.onboarding import metrics, store
from services.onboarding.adapters import Drivers, Instance, limit_of
from services.onboarding.domain.assignment import Need, fitting, measure, nearest, rank
from services.onboarding.domain.authority import Sender
from services.onboarding.domain.orders import ItemState, OrderFault, quantities
from services.onboarding.domain.quotas import Quota
from services.onboarding.store import from_json, sql, to_json
from services.onboarding.usecases.end_order import activate_tenant, refuse_order, settle
from services.onboarding.usecases.hold_over_quota import firm_fault, hold, hold_over_quota

CALLS_AT_ONCE = 32
"""Of one kind, to all back-ends; each back-end has a limit of its own."""

CATALOGUE_WAIT_SECONDS = 0.2
SERVICE_WAIT_SECONDS = 0.5


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


class ChangeService(Args):
    """One `change` item of an order."""

    order_id: str
    n: int
    service_id: str

    @property
    def about(self) -> str:
        """What a person reads in the list of jobs."""
        return f"order {self.order_id} item {self.n}"


class UndoStep(Step):
    """Take back a step that was made, because of `why`; `failed` is the driver that gave up."""

    failed: str
    why: str
    attempts: int = 5
    """After how many it gave up; 5 in rows that were written before this was kept."""
    found: bool = False
    """That what the step made is there was seen, before it is taken back."""


CallT = TypeVar("CallT", Step, ChangeService, UndoStep)


class Missing(RuntimeError):
    """What a step made is not there: it was made elsewhere, or somebody took it away. A person must look."""


def lane_of_tenant(tenant_id: str) -> str:
    """Orders of one tenant are planned one after the other, in the order accepted."""
    return f"tenant:{tenant_id}"


def _lane_of_service(service_id: str) -> str:
    """Changes of one service are made one after the other: each begins where the one before ended."""
    return f"service:{service_id}"


class TenantAssignedBy(StrEnum):
    """Who chose the reseller."""

    POLICY = "policy"
    OPERATOR = "operator"


assign_reseller = JobKind("assign_reseller", AssignReseller, attempts=None, backoff=Backoff(0.2, max_seconds=30))
plan_order = JobKind("plan_order", PlanOrder, attempts=None, backoff=Backoff(0.2, max_seconds=30))
provision_step = JobKind(
    "provision_step", Step, attempts=None, give_up_after=GIVE_UP_AFTER, backoff=OUTSIDE_CALL, concurrency=CALLS_AT_ONCE
)
change_service = JobKind(
    "change_service",
    ChangeService,
    attempts=None,
    give_up_after=GIVE_UP_AFTER,
    backoff=OUTSIDE_CALL,
    concurrency=CALLS_AT_ONCE,
)
undo_step = JobKind("undo_step", UndoStep, attempts=None, backoff=OUTSIDE_CALL, concurrency=CALLS_AT_ONCE)


# -- assignment --------------------------------------------------------------------------------------------------------


async def run_assign_reseller(job: Job[AssignReseller], quota: Quota) -> None:
    """Place a tenant with the nearest fitting reseller that still has room, or ask a person."""
    async with job.finish() as unit:
        tenant = await sql.lock_tenant(unit.db, id=job.args.tenant_id)
        if tenant["reseller_id"] is not None:
            return
        orders = await store.open_orders(unit.db, tenant["id"])
        if not orders:
            return  # they ended meanwhile: a place would be taken for nothing
        if await sql.known_revision(unit.db) < max(order["revision"] for order in orders):
            raise RetryLater(CATALOGUE_WAIT_SECONDS, "the catalogue that this order was judged by is not here yet")
        if fault := await firm_fault(tenant, quota, unit):
            await _ask_a_person(tenant, orders, Reason.QUOTA_EXCEEDED, fault, unit)
            return
        for candidate in fitting(rank(await _need(tenant, unit), await store.resellers(unit.db))):
            if await store.take_capacity(unit.db, candidate.reseller.reseller_id):
                await assign(tenant, candidate.reseller.reseller_id, TenantAssignedBy.POLICY, unit)
                return
        await _ask_a_person(
            tenant, orders, Reason.MANUAL_ASSIGNMENT, "no reseller fits: an operator must choose one", unit
        )


async def _need(tenant: asyncpg.Record, unit: Unit) -> Need:
    skus = await store.ordered_skus(unit.db, tenant["id"])
    return Need(Place.model_validate(tenant["place"]), tenant["language"], tenant["vertical"], skus)


async def assign(tenant: asyncpg.Record, reseller_id: str, by: TenantAssignedBy, unit: Unit) -> None:
    """Give a tenant its reseller (whose place was taken before) and start on its orders."""
    need = await _need(tenant, unit)
    # The place just taken must not weigh on the score that is shown.
    known = [
        profile.model_copy(update={"active": profile.active - 1}) if profile.reseller_id == reseller_id else profile
        for profile in await store.resellers(unit.db)
    ]
    chosen = next(measure(need, profile) for profile in known if profile.reseller_id == reseller_id).shown()
    ranking = tuple(candidate.shown() for candidate in rank(need, known))
    unit.publish(
        TenantAssigned(
            reseller_id=reseller_id, distance_km=chosen.distance_km, score=chosen.score, by=by, ranking=ranking
        ),
        subject=tenant["id"],
    )
    await sql.set_reseller(unit.db, id=tenant["id"], reseller_id=reseller_id)
    await sql.set_tenant_state(unit.db, id=tenant["id"], state="onboarding")
    for order in await store.open_orders(unit.db, tenant["id"]):
        if Sender(order["principal"]).may_go_on(reseller_id, tenant["registered_by"]):
            await sql.judge_order(unit.db, id=order["id"], reseller_id=reseller_id)
            unit.enqueue(plan_order, PlanOrder(order_id=order["id"]), lane=lane_of_tenant(tenant["id"]))
        else:
            await refuse_order(order, unit)
    metrics.ASSIGNMENTS.labels(by).inc()


async def _ask_a_person(
    tenant: asyncpg.Record, orders: list[asyncpg.Record], reason: str, explanation: str, unit: Unit
) -> None:
    ranking = rank(await _need(tenant, unit), await store.resellers(unit.db))
    await sql.set_tenant_state(unit.db, id=tenant["id"], state="waiting")
    for order in orders:
        unit.publish(
            AssignmentNeeded(order_id=order["id"], nearest=tuple(candidate.shown() for candidate in nearest(ranking))),
            subject=tenant["id"],
        )
        await hold(order, reason, explanation, unit)
    metrics.ASSIGNMENTS.labels("nobody").inc()


# -- provisioning ------------------------------------------------------------------------------------------------------


async def run_plan_order(job: Job[PlanOrder], quota: Quota) -> None:
    """Turn each item into a service instance to be made, or into a change; an item that cannot be done fails alone."""
    async with job.finish() as unit:
        tenant = await sql.lock_tenant(unit.db, id=await sql.tenant_of_order(unit.db, id=job.args.order_id))
        order = await sql.lock_order(unit.db, id=job.args.order_id)
        if order["state"] != OrderState.ACKNOWLEDGED:
            return  # a person ended it, or another job planned it, while this one waited
        is_judged = order["judged_for"] in (None, tenant["reseller_id"])
        if not is_judged and not Sender(order["principal"]).speaks_for(tenant["reseller_id"]):
            await refuse_order(order, unit)
            return
        if await sql.known_revision(unit.db) < order["revision"]:
            raise RetryLater(CATALOGUE_WAIT_SECONDS, "the catalogue that this order was judged by is not here yet")
        if await hold_over_quota(order, quota, unit):
            return
        await sql.set_order_state(unit.db, id=order["id"], state=OrderState.IN_PROGRESS)
        plans = await store.plans(unit.db)
        for item in await store.items(unit.db, order["id"]):
            try:
                await _start_item(order, item, plans, unit)
            except OrderFault as fault:
                await settle(order["id"], item["n"], ItemState.FAILED, f"{fault.reason}: {fault.explanation}", unit)


async def _start_item(order: asyncpg.Record, item: asyncpg.Record, plans: dict[str, Plan], unit: Unit) -> None:
    ordered = from_json(item["quantities"])
    if item["action"] == ItemAction.ADD:
        if item["sku"] not in plans:
            raise OrderFault(Reason.UNKNOWN_SKU, f"{item['sku']} is not in the catalogue")
        plan = plans[item["sku"]]
        await sql.add_service(
            unit.db, id=item["service_id"], tenant_id=order["tenant_id"], order_id=order["id"], sku=plan.sku,
            quantities=to_json(quantities(plan, ordered)), plan=plan.model_dump(mode="json"),
            ordered_by=order["principal"], begun_at=unit.now,
        )  # fmt: skip
        _call(
            provision_step,
            Step(service_id=item["service_id"], step=0),
            order["reseller_id"],
            unit,
            plan.provisioning[0],
        )
        return
    service = await sql.service(unit.db, id=item["service_id"])
    if await sql.is_being_made(unit.db, id=item["service_id"], tenant_id=order["tenant_id"], order_id=order["id"]):
        raise RetryLater(SERVICE_WAIT_SECONDS, "the service is still being made, by an earlier order")
    if service is None or service["tenant_id"] != order["tenant_id"] or service["state"] != "active":
        raise OrderFault(Reason.UNKNOWN_SERVICE, "no such active service instance of this tenant")
    plan = Plan.model_validate(service["plan"])
    quantities(plan, ordered, from_json(service["quantities"]))
    change = ChangeService(order_id=order["id"], n=item["n"], service_id=item["service_id"])
    lane = _lane_of_service(item["service_id"])
    _call(change_service, change, order["reseller_id"], unit, *plan.provisioning, lane=lane)


def _call(
    kind: JobKind[CallT], args: CallT, reseller_id: str | None, unit: Unit, *steps: ProvisioningStep,
    lane: str | None = None,
) -> None:  # fmt: skip
    """Ask for a job that calls the back-ends of `steps`, whose places are shared fairly over resellers."""
    unit.enqueue(kind, args, key=args.about, lane=lane, limit=limit_of(*steps), party=reseller_id or "")


def _instance(service: asyncpg.Record, now: dict[str, Decimal] | None = None) -> Instance:
    return Instance(service["id"], service["tenant_id"], service["sku"], now or from_json(service["quantities"]))


async def run_provision_step(job: Job[Step], drivers: Drivers) -> None:
    """Make one step of a service instance; the last one activates it."""
    async with job.read() as db:
        service = await sql.service(db, id=job.args.service_id)
    plan = Plan.model_validate(service["plan"])
    step = plan.provisioning[job.args.step]
    job.give_up_after = drivers.give_up_after(step)
    await drivers.of(step).provision(_instance(service), step, job.idempotency_key)
    async with job.finish() as unit:
        done = job.args.step + 1
        if done < len(plan.provisioning):
            await sql.set_service(unit.db, id=service["id"], state="provisioning", steps_done=done)
            following = Step(service_id=service["id"], step=done)
            _call(provision_step, following, service["reseller_id"], unit, plan.provisioning[done])
        else:
            await _activate(service, done, unit)


async def _activate(service: asyncpg.Record, steps_done: int, unit: Unit) -> None:
    await sql.set_service(unit.db, id=service["id"], state="active", steps_done=steps_done)
    order = await sql.lock_order(unit.db, id=service["order_id"])
    item = next(i for i in await store.items(unit.db, order["id"]) if i["service_id"] == service["id"])
    unit.publish(
        ServiceActivated(
            service_id=service["id"], order_id=order["id"], item=item["n"], sku=service["sku"],
            quantities=from_json(service["quantities"]), effective_at=order["effective_at"],
        ),
        subject=service["tenant_id"],
    )  # fmt: skip
    await activate_tenant(order, unit)
    await settle(order["id"], item["n"], ItemState.DONE, None, unit)


async def provisioning_delayed(args: Step, unit: Unit, delay: Delay) -> None:
    """A back-end has failed for a while: the order waits for it, and its reseller is told."""
    service = await sql.lock_service(unit.db, id=args.service_id)
    step = Plan.model_validate(service["plan"]).provisioning[args.step]
    n = await sql.item_of_service(unit.db, order_id=service["order_id"], service_id=service["id"])
    await _tell_delay(service["order_id"], n, service["id"], (step.driver,), unit, delay)


async def change_delayed(args: ChangeService, unit: Unit, delay: Delay) -> None:
    """The same for a change: its steps are changed in one go, so that all their drivers are named."""
    service = await sql.lock_service(unit.db, id=args.service_id)
    drivers = tuple(dict.fromkeys(step.driver for step in Plan.model_validate(service["plan"]).provisioning))
    await _tell_delay(args.order_id, args.n, args.service_id, drivers, unit, delay)


async def _tell_delay(
    order_id: str, n: int, service_id: str, drivers: tuple[str, ...], unit: Unit, delay: Delay
) -> None:
    order = await sql.lock_order(unit.db, id=order_id)
    unit.publish(
        OrderDelayed(
            order_id=order_id, reference=order["reference"], reseller_id=order["reseller_id"], item=n,
            service_id=service_id, waits_for=drivers, since=delay.since,
            gives_up_at=delay.gives_up_at or delay.since + GIVE_UP_AFTER, explanation=delay.why,
        ),
        subject=order["tenant_id"],
    )  # fmt: skip


async def provisioning_gave_up(args: Step, unit: Unit, why: str) -> None:
    """The time is used up, or the back-end refused for good: take back every step, the doubtful one first, in reverse order."""
    service = await sql.lock_service(unit.db, id=args.service_id)
    step = Plan.model_validate(service["plan"]).provisioning[args.step]
    await sql.set_service(unit.db, id=service["id"], state="undoing", steps_done=args.step)
    undo = UndoStep(service_id=args.service_id, step=args.step, failed=step.driver, why=why, attempts=unit.attempts)
    _call(undo_step, undo, service["reseller_id"], unit, step)


async def run_undo_step(job: Job[UndoStep], drivers: Drivers) -> None:
    """Take back one step. A call whose answer was lost may have worked, so the failed step is undone as well."""
    async with job.read() as db:
        service = await sql.service(db, id=job.args.service_id)
    steps = Plan.model_validate(service["plan"]).provisioning
    step = steps[job.args.step]
    if job.args.step < service["steps_done"] and not job.args.found:
        if not await drivers.of(step).exists(_instance(service), step, job.idempotency_key):
            raise Missing(f"step {job.args.step} ({step.driver}) was made, and what it made is not there")
        # Kept before it is taken back: a repetition that finds nothing then knows that it was there.
        async with job.finish() as unit:
            _call(undo_step, job.args.model_copy(update={"found": True}), service["reseller_id"], unit, step)
        return
    await drivers.of(step).deprovision(_instance(service), step, job.idempotency_key)
    async with job.finish() as unit:
        if job.args.step > 0:
            before = job.args.model_copy(update={"step": job.args.step - 1, "found": False})
            _call(undo_step, before, service["reseller_id"], unit, steps[before.step])
        else:
            await _fail_service(service, job.args, unit)


async def _fail_service(service: asyncpg.Record, args: UndoStep, unit: Unit) -> None:
    await sql.set_service(unit.db, id=service["id"], state="failed", steps_done=0)
    unit.publish(
        ProvisioningFailed(
            service_id=service["id"], order_id=service["order_id"], sku=service["sku"], step=args.failed,
            attempts=args.attempts, explanation=args.why,
        ),
        subject=service["tenant_id"],
    )  # fmt: skip
    item = next(i for i in await store.items(unit.db, service["order_id"]) if i["service_id"] == service["id"])
    await settle(service["order_id"], item["n"], ItemState.FAILED, f"{Reason.PROVISIONING_FAILED}: {args.why}", unit)


async def run_change_service(job: Job[ChangeService], drivers: Drivers) -> None:
    """Change the quantities of a service instance, in its back-ends and here."""
    async with job.read() as db:
        service = await sql.service(db, id=job.args.service_id)
        item = next(i for i in await store.items(db, job.args.order_id) if i["n"] == job.args.n)
    plan = Plan.model_validate(service["plan"])
    after = quantities(plan, from_json(item["quantities"]), from_json(service["quantities"]))
    job.give_up_after = max(drivers.give_up_after(step) for step in plan.provisioning)
    for n, step in enumerate(plan.provisioning):
        await drivers.of(step).change(_instance(service, after), step, f"{job.idempotency_key}-{n}")
    async with job.finish() as unit:
        await sql.lock_service(unit.db, id=service["id"])
        await sql.set_quantities(unit.db, id=service["id"], quantities=to_json(after))
        order = await sql.lock_order(unit.db, id=job.args.order_id)
        unit.publish(
            ServiceChanged(
                service_id=service["id"], order_id=order["id"], sku=service["sku"], quantities=after,
                effective_at=order["effective_at"],
            ),
            subject=order["tenant_id"],
        )  # fmt: skip
        await settle(order["id"], job.args.n, ItemState.DONE, None, unit)


async def change_gave_up(args: ChangeService, unit: Unit, why: str) -> None:
    """The time is used up, or a back-end refused for good: the service keeps what it had, the item fails."""
    await settle(args.order_id, args.n, ItemState.FAILED, f"change_failed: {why}", unit)


def jobs(drivers: Drivers, quota: Quota) -> tuple[JobHandler, ...]:
    """The routing table of jobs."""
    return (
        handle(assign_reseller, partial(run_assign_reseller, quota=quota)),
        handle(plan_order, partial(run_plan_order, quota=quota)),
        handle(
            provision_step,
            partial(run_provision_step, drivers=drivers),
            exhausted=provisioning_gave_up,
            delayed=provisioning_delayed,
        ),
        handle(undo_step, partial(run_undo_step, drivers=drivers)),
        handle(
            change_service,
            partial(run_change_service, drivers=drivers),
            exhausted=change_gave_up,
            delayed=change_delayed,
        ),
    )
