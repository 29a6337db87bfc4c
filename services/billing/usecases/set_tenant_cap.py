"""Set, change or lift a cap on what a tenant's whole month may cost, from this civil month on or from a later one."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from schemas.billing import TenantCapSet
from schemas.currencies import MINOR_DIGITS, minor_unit
from schemas.reasons import Reason
from schemas.scalars import plain
from services.billing import store
from services.billing.domain.caps import still_reached
from services.billing.domain.model import BilledTenant
from services.billing.domain.periods import civil_day, month_of
from services.billing.domain.recurring import fees_of_month
from services.billing.domain.tenant_caps import TenantCap
from services.billing.job_kinds import WatchCaps, watch_caps
from services.billing.store import sql
from services.billing.usecases.services_in_time import ServiceInTime, services_in_time
from services.billing.usecases.set_cap import CapRefused, NoSuchService, check_terms, set_cap
from services.billing.usecases.watch_caps import bounded_to_date
from services.chassis.unit import Unit


async def set_tenant_cap(
    tenant_id: str, unit: Unit, *, amount: Decimal | None, hard: bool, currency: str | None = None, since: date | None = None
) -> None:  # fmt: skip
    """Save a cap on fees and usage together, from this month on if not said otherwise; without an amount it is lifted.

    `currency`: only services that are billed in it count; None: the one of all its services. What is spent already in the
    first month is owed, below a lower cap too. Raises `CapRefused`, also with `cap_below_fees`, and `NoSuchService`.
    """
    tenant = await store.lock_if_known(unit.db, tenant_id)
    if tenant is None:
        raise NoSuchService("no such tenant")
    services = await services_in_time(unit.db, tenant, unit.now)
    month = month_of(civil_day(unit.now, tenant.zone)).start
    cap = TenantCap(_currency(currency, services), since or month, amount, hard, Decimal(0))
    check_terms(amount, cap.since, month, minor_unit(cap.currency))
    _check_fees(cap, services)
    spent = await _spent(unit, tenant, cap) if cap.since == month else Decimal(0)
    await sql.add_tenant_cap(
        unit.db, tenant_id=tenant_id, currency=cap.currency, since=cap.since, amount=amount, is_hard=hard, spent=spent,
        stored_at=unit.now,
    )  # fmt: skip
    if cap.since == month:
        await sql.forget_tenant_cap_notices(
            unit.db, tenant_id=tenant_id, currency=cap.currency, month=month, still=still_reached(amount, spent)
        )  # fmt: skip
    fact = TenantCapSet(
        currency=cap.currency, amount=amount, hard=hard, since=cap.since, spent=spent if cap.since == month else None
    )  # fmt: skip
    unit.publish(fact, subject=tenant_id)
    unit.enqueue(watch_caps, WatchCaps(tenant_id=tenant_id), key=tenant_id)


async def any_cap(
    tenant_id: str, unit: Unit, *, service_id: str | None, meters: Sequence[str], currency: str | None, amount: Decimal | None,
    hard: bool, since: date | None,
) -> None:  # fmt: skip
    """A cap on meters of a service, or without a service on the whole month. Raises what the two raise."""
    if service_id is None and meters:
        raise CapRefused("service_id", Reason.UNKNOWN_SERVICE, "name the service of these meters")
    if service_id is not None and not meters:
        raise CapRefused("meters", Reason.BAD_DATA, "name the meters of this service")
    if service_id is not None and currency is not None:
        raise CapRefused(
            "currency", Reason.CURRENCY, "a cap on meters is in the currency of their service"
        )
    if service_id is None:
        await set_tenant_cap(
            tenant_id, unit, amount=amount, hard=hard, currency=currency, since=since
        )
    else:
        await set_cap(
            tenant_id, unit, service_id=service_id, meters=meters, amount=amount, hard=hard, since=since
        )  # fmt: skip


def _currency(asked: str | None, services: list[ServiceInTime]) -> str:
    found = {one.service.currency for one in services}
    if asked is None and len(found) == 1:
        return found.pop()
    if asked is None:
        have = (
            f"its services are billed in {', '.join(sorted(found))}"
            if found
            else "it has no service yet"
        )
        raise CapRefused("currency", Reason.CURRENCY, f"name the currency: {have}")
    if asked not in MINOR_DIGITS:
        raise CapRefused("currency", Reason.CURRENCY, f"no catalogue may have {asked}")
    return asked


def _check_fees(cap: TenantCap, services: list[ServiceInTime]) -> None:
    """What was ordered is owed: only usage can come off, so a cap below the fees could not be kept."""
    month = month_of(cap.since)
    fees = sum(
        (fees_of_month(one.service.plan, one.changes, month, one.service.step, one.price_of, one.free_of)
         for one in services if one.service.currency == cap.currency), Decimal(0),
    )  # fmt: skip
    if cap.amount is not None and cap.amount < fees:
        raise CapRefused(
            "amount", Reason.CAP_BELOW_FEES,
            f"the fees of {cap.since:%Y-%m} come to {plain(fees)} {cap.currency}: a cap takes off usage, not fees",
        )  # fmt: skip


async def _spent(unit: Unit, tenant: BilledTenant, cap: TenantCap) -> Decimal:
    return (await bounded_to_date(unit.db, tenant, unit.now)).spent_of(cap.currency)
