"""Ask whether usage may go on under the hard caps, and reserve it for the moment until it is sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from schemas.reasons import Reason
from services.billing import store
from services.billing.domain.caps import in_force
from services.billing.domain.forecast import GROWING
from services.billing.domain.model import BilledTenant
from services.billing.domain.money import half_up
from services.billing.domain.periods import civil_day, midnight, month_of
from services.billing.domain.tenant_caps import tenant_caps_of
from services.billing.metering.knowledge import load_meters
from services.billing.store import sql
from services.billing.usecases.bound_month import bound_month
from services.billing.usecases.query_usage import NotKnown
from services.billing.usecases.rate_usage import MonthAsked, rate, read_usage, spent_of
from services.billing.usecases.services_in_time import services_in_time
from services.chassis.database import Connection
from services.chassis.store import collect
from services.chassis.unit import Unit

REPEATED_FOR = timedelta(days=1)
"""How long an answer is kept for a repeated request after its reservation has expired."""


@dataclass(frozen=True, slots=True)
class UsageAsked:
    """So much of a meter of a service."""

    service_id: str
    meter: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class UsageAnswer:
    """Whether it may be used. `remaining`: what the tightest cap leaves before it, in the service's currency; None: no cap."""

    allowed: bool
    reason: Reason | None
    remaining: Decimal | None
    as_of: datetime


class AskRefused(ValueError):
    """What is asked cannot be answered; `field` says what is wrong."""

    def __init__(self, field: str, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.field, self.reason = field, reason


async def may_use(db: Connection, tenant_id: str, asked: UsageAsked, now: datetime) -> UsageAnswer:
    """Whether usage fits below the hard caps, as of now, with what is reserved. Raises `NotKnown`, `AskRefused`."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        tenant = await store.tenant(db, tenant_id)
        if tenant is None:
            raise NotKnown("no such tenant")
        return await _answer(db, tenant, asked, now)


async def reserve_usage(
    tenant_id: str, asked: UsageAsked, key: str, holds: timedelta, unit: Unit
) -> UsageAnswer:
    """The same, and what is allowed is reserved until it expires. The same key again gets the same answer.

    The tenant is held alone: of many who ask for the last unit at once, one gets it. Raises `NotKnown`, and `AskRefused`
    also for a key that came before with another question.
    """
    tenant = await store.lock_if_known(unit.db, tenant_id)
    if tenant is None:
        raise NotKnown("no such tenant")
    before = await sql.reservation(unit.db, tenant_id=tenant_id, key=key)
    if before is not None:
        if (before["service_id"], before["meter"], before["quantity"]) != (
            asked.service_id,
            asked.meter,
            asked.quantity,
        ):
            raise AskRefused("key", Reason.ID_REUSE, "this key came before with another question")
        reason = None if before["allowed"] else Reason.CAP_REACHED
        return UsageAnswer(before["allowed"], reason, before["remaining"], before["stored_at"])
    answer = await _answer(unit.db, tenant, asked, unit.now)
    if answer.reason is Reason.ENDED:
        return answer  # for good: the same question gets the same answer without a note
    await sql.forget_reservations(unit.db, tenant_id=tenant_id, instant=unit.now - REPEATED_FOR)
    await sql.add_reservation(
        unit.db, tenant_id=tenant_id, key=key, service_id=asked.service_id, meter=asked.meter, quantity=asked.quantity,
        allowed=answer.allowed, remaining=answer.remaining, expires_at=unit.now + holds, stored_at=unit.now,
    )  # fmt: skip
    return answer


async def _answer(
    db: Connection, tenant: BilledTenant, asked: UsageAsked, now: datetime
) -> UsageAnswer:
    services = await services_in_time(db, tenant, now)
    found = next((one for one in services if one.service.id == asked.service_id), None)
    if found is None:
        raise AskRefused("service_id", Reason.UNKNOWN_SERVICE, "the tenant has no such service")
    service = found.service
    if asked.meter not in {price.meter for price in service.plan.usage}:
        raise AskRefused(
            "meter", Reason.UNKNOWN_METER, "the plan of this service does not price it"
        )
    if found.life.ended_at is not None and found.life.ended_at <= now:
        return UsageAnswer(False, Reason.ENDED, None, now)
    meters, month = await load_meters(db), month_of(civil_day(now, tenant.zone))
    start = midnight(month.start, tenant.zone)
    if meters.in_force(asked.meter, start).meter.aggregation not in GROWING:
        raise AskRefused(
            "meter", Reason.WRONG_VALUE, "a level is not used up: it cannot be asked for"
        )
    all_caps = in_force(await store.caps(db, tenant.id, now), month.start)
    caps = [
        cap for cap in all_caps
        if cap.is_hard and cap.service_id == service.id and asked.meter in cap.meters
    ]  # fmt: skip
    told_of_all = tenant_caps_of(await store.tenant_caps(db, tenant.id, now), month.start)
    of_all = told_of_all.get(service.currency)
    if not caps and not (of_all and of_all.is_hard):
        return UsageAnswer(True, None, None, now)
    more = {
        (row["service_id"], row["meter"]): row["quantity"]
        for row in await collect(sql.reserved(db, tenant_id=tenant.id, instant=now))
    }
    [used] = await read_usage(db, meters, [MonthAsked(tenant, services, month, now)])
    before = rate(used, meters, more=more)
    key = (service.id, asked.meter)
    more[key] = more.get(key, Decimal(0)) + asked.quantity
    after = rate(used, meters, more=more)
    left, allowed, nothing = [], True, half_up(Decimal(0), service.step)
    for cap in caps:
        amount = cap.amount_of(month.start)
        assert amount is not None
        left.append(max(nothing, amount - spent_of(cap, before)))
        allowed = allowed and spent_of(cap, after) <= amount
    if of_all and of_all.is_hard:
        amount = of_all.amount_of(month.start)
        spent, then = (
            bound_month(services, rated, all_caps, {}, month).spent_of(service.currency)
            for rated in (before, after)
        )
        left.append(max(nothing, half_up(amount - spent, service.step)))
        allowed = allowed and then <= max(amount, spent)  # what costs nothing may always be used
    return UsageAnswer(allowed, None if allowed else Reason.CAP_REACHED, min(left), now)
