"""Set, change or lift a spending cap of a service, from this civil month on or from a later one."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from schemas.billing import CapSet
from schemas.reasons import Reason
from services.billing import store
from services.billing.domain.caps import Cap, in_force, still_reached
from services.billing.domain.model import BilledService
from services.billing.domain.periods import civil_day, month_of
from services.billing.job_kinds import WatchCaps, watch_caps
from services.billing.store import sql
from services.billing.usecases.watch_caps import spent_to_date
from services.chassis.unit import Unit

AMOUNT_MAX = Decimal(1_000_000_000)


class CapRefused(ValueError):
    """A cap cannot be as it is asked for; `field` says what is wrong."""

    def __init__(self, field: str, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.field, self.reason, self.detail = field, reason, detail


class NoSuchService(LookupError):
    """The tenant has no such service, or it is not counted yet."""


async def set_cap(
    tenant_id: str, unit: Unit, *, service_id: str, meters: Sequence[str], amount: Decimal | None, hard: bool,
    since: date | None = None,
) -> None:  # fmt: skip
    """Save a cap, from this month on if not said otherwise; without an amount it is lifted.

    What is spent already in its first month is owed, below a lower cap too. Raises `CapRefused` and `NoSuchService`.
    """
    if await sql.share_tenant(unit.db, id=tenant_id) is None:
        raise NoSuchService("no such tenant")
    tenant = await store.tenant(unit.db, tenant_id)
    assert tenant is not None
    services = await store.services(unit.db, tenant_id)
    service = next((one for one in services if one.id == service_id), None)
    if service is None:
        raise NoSuchService("the tenant has no such service")
    month = month_of(civil_day(unit.now, tenant.zone)).start
    cap = Cap(service.id, tuple(sorted(meters)), since or month, amount, hard, Decimal(0))
    _check(cap, service, month, await store.caps(unit.db, tenant_id, unit.now))
    spent = await spent_to_date(unit, tenant, cap) if cap.since == month else Decimal(0)
    await sql.add_cap(
        unit.db, tenant_id=tenant_id, service_id=service.id, meters=cap.meters, since=cap.since, amount=amount,
        is_hard=hard, spent=spent, stored_at=unit.now,
    )  # fmt: skip
    if cap.since == month:
        await sql.forget_cap_notices(
            unit.db, tenant_id=tenant_id, service_id=service.id, meters=cap.meters, month=month,
            still=still_reached(amount, spent),
        )  # fmt: skip
    fact = CapSet(
        service_id=service.id, meters=cap.meters, amount=amount, hard=hard, since=cap.since,
        spent=spent if cap.since == month else None,
    )  # fmt: skip
    unit.publish(fact, subject=tenant_id)
    unit.enqueue(watch_caps, WatchCaps(tenant_id=tenant_id), key=tenant_id)


def check_terms(amount: Decimal | None, since: date, month: date, step: Decimal) -> None:
    """Whether a cap of any kind can have this amount, from this day on, in the month that began on `month`.

    Raises `CapRefused`.
    """
    if amount is not None and not 0 <= amount <= AMOUNT_MAX:
        raise CapRefused("amount", Reason.CAP_RANGE, f"from 0 to {AMOUNT_MAX}")
    if amount is not None and amount % step:
        raise CapRefused("amount", Reason.MINOR_UNIT, f"an amount is a multiple of {step}")
    if since.day != 1:
        raise CapRefused("since", Reason.CAP_RANGE, "a cap begins with a month: name its first day")
    if since < month:
        raise CapRefused("since", Reason.RETROACTIVE, f"this month began on {month}: not earlier")


def _check(asked: Cap, service: BilledService, month: date, told: Sequence[Cap]) -> None:
    meters = asked.meters
    priced = {price.meter for price in service.plan.usage}
    for meter in meters:
        if meter not in priced:
            raise CapRefused(
                "meters", Reason.UNKNOWN_METER, f"the plan of this service does not price {meter}"
            )
    if len(set(meters)) < len(meters):
        raise CapRefused("meters", Reason.METER_TWICE, "a meter is named twice")
    check_terms(asked.amount, asked.since, month, service.step)
    for cap in in_force(told, asked.since):
        if cap.service_id == service.id and cap.meters != meters and set(cap.meters) & set(meters):
            raise CapRefused(
                "meters", Reason.METER_TWICE,
                f"another cap bounds {', '.join(cap.meters)}: lift it first (amount null)",
            )  # fmt: skip
