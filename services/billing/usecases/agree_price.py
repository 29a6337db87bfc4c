"""Agree a price with one tenant, for a component and from a month on."""

from collections.abc import Sequence
from decimal import Decimal

from schemas.billing import PriceAgreed
from schemas.catalogue import Plan, Price, RecurringPrice
from schemas.currencies import minor_unit
from schemas.reasons import Reason
from services.billing import store
from services.billing.domain.agreed_prices import AgreedPrice, in_force
from services.billing.domain.money import UNIT_PRICE_STEP
from services.billing.domain.recurring import component
from services.billing.store import sql
from services.billing.usecases.query_usage import NotKnown
from services.chassis.texts import bounded
from services.chassis.unit import Unit

AMOUNT_MAX = Decimal(1_000_000_000)
TEXT_LENGTH_MAX = 200


class PriceRefused(ValueError):
    """A price cannot be agreed as it is asked for; `field` says what is wrong."""

    def __init__(self, field: str, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.field, self.reason = field, reason


async def agree_price(tenant_id: str, asked: AgreedPrice, by: str, reason: str, unit: Unit) -> None:
    """Save an agreement; one that begins on the same day is replaced. Raises `NotKnown` and `PriceRefused`.

    It may begin with any month of which the component is not billed yet: what was billed stays as it was.
    """
    if await store.lock_if_known(unit.db, tenant_id) is None:
        raise NotKnown("no such tenant")
    plan, currency = await _plan(tenant_id, asked.sku, unit)
    price = next((one for one in (*plan.recurring, *plan.usage) if one.code == asked.code), None)
    if price is None:
        raise PriceRefused("code", Reason.UNKNOWN_SKU, f"{asked.sku} has no component {asked.code}")
    _check(asked, price, currency, await store.agreed_prices(unit.db, tenant_id, unit.now))
    billed = await sql.billed_from(
        unit.db, tenant_id=tenant_id, component=component(plan, price), day=asked.since
    )
    if billed:
        raise PriceRefused("since", Reason.RETROACTIVE, f"days from {asked.since} on are billed already")  # fmt: skip
    who, why = bounded(by)[:TEXT_LENGTH_MAX], bounded(reason)[:TEXT_LENGTH_MAX]
    await sql.add_agreed_price(
        unit.db, tenant_id=tenant_id, sku=asked.sku, code=asked.code, since=asked.since, until=asked.until,
        price=asked.price, agreed_by=who, reason=why, stored_at=unit.now,
    )  # fmt: skip
    fact = PriceAgreed(
        sku=asked.sku, component=asked.code, price=asked.price, since=asked.since, until=asked.until, by=who, reason=why,
    )  # fmt: skip
    unit.publish(fact, subject=tenant_id)


async def _plan(tenant_id: str, sku: str, unit: Unit) -> tuple[Plan, str]:
    """The plan as the tenant was sold it, else as it is sold now."""
    for service in await store.services(unit.db, tenant_id):
        if service.plan.sku == sku:
            return service.plan, service.currency
    row = await sql.plan(unit.db, sku=sku, revision=None, instant=unit.now)
    if row is None:
        raise PriceRefused("sku", Reason.UNKNOWN_SKU, "no plan of the catalogue has this SKU")
    return Plan.model_validate(row["plan"]), row["currency"]


def _check(asked: AgreedPrice, price: Price, currency: str, told: Sequence[AgreedPrice]) -> None:
    if price.price is None:
        raise PriceRefused("code", Reason.TIERS, "this component has tiers, and no single price")
    if not 0 <= asked.price <= AMOUNT_MAX:
        raise PriceRefused("price", Reason.PRICE_RANGE, f"from 0 to {AMOUNT_MAX}")
    step = minor_unit(currency)
    if isinstance(price, RecurringPrice) and asked.price % step:
        raise PriceRefused("price", Reason.MINOR_UNIT, f"a fee is a multiple of {step}")
    if asked.price % UNIT_PRICE_STEP:
        raise PriceRefused("price", Reason.MINOR_UNIT, "a price has at most 8 decimals")
    for name, day in (("since", asked.since), ("until", asked.until)):
        if day is not None and day.day != 1:
            raise PriceRefused(name, Reason.BAD_DATA, "a price holds for whole months: name a first day")  # fmt: skip
    if asked.until is not None and asked.until <= asked.since:
        raise PriceRefused("until", Reason.BAD_DATA, "it ends before it begins")
    for one in in_force(told):
        if asked.overlaps(one):
            raise PriceRefused(
                "since", Reason.PRICE_OVERLAP,
                f"{one.price} is agreed from {one.since} to {one.until or 'no end'}: end it first",
            )  # fmt: skip
