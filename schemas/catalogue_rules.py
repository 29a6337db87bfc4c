"""What a catalogue must be to be put into force. The door asks here, with a place for every fault.

Readers do not: a catalogue that was published under earlier rules is read as it is, and the next one mends it.
"""

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from schemas.catalogue import (
    Aggregation,
    Meter,
    Plan,
    Price,
    PriceModel,
    ProvisioningStep,
    RecurringPrice,
    UsagePrice,
)
from schemas.currencies import MINOR_DIGITS, minor_unit
from schemas.reasons import Reason

METERS_MAX = 1000
PRICES_MAX = 200
"""Of a plan, of each kind."""

TIERS_MAX = 100
FILTER_VALUES_MAX = 100
HEARTBEAT_SECONDS_MAX = 31 * 86_400
PRICE_MAX = 1_000_000_000
UNIT_LENGTH_MAX = 10
"""FatturaPA's UnitaMisura."""

SETUP = "setup"
"""The component that a set-up fee goes by."""

VALID_FROM, VALID_TO = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
RECURRING_MODELS = (PriceModel.PER_UNIT, PriceModel.GRADUATED, PriceModel.VOLUME)
"""A package cannot be sold by the month: what is billed is kept in the units that were ordered. Nor is a fee a share of money."""

PERCENT_MAX = 100

DRIVERS: dict[str, tuple[str, ...]] = {"postgres": (), "http": ("url",)}
"""The drivers of back-ends there are, by name, and what a step of a plan must say for each."""

PLACEHOLDER = re.compile(r"\$\{[A-Z_]+\}")
"""An address that is to be filled in, as in the example catalogue: it can be published where no back-end is called."""

Part = str | int


@dataclass(frozen=True, slots=True)
class CatalogueFault:
    """What is wrong, and where: the parts of a JSON pointer."""

    place: tuple[Part, ...]
    message: str
    reason: Reason = Reason.BAD_DATA

    def within(self, *place: Part) -> "CatalogueFault":
        """The same, seen from further out."""
        return replace(self, place=(*place, *self.place))


def faults(
    valid_from: datetime, currency: str, meters: Sequence[Meter], plans: Sequence[Plan]
) -> Iterator[CatalogueFault]:
    """All faults of a catalogue whose parts have the right shape."""
    if not VALID_FROM <= valid_from < VALID_TO:
        yield CatalogueFault(("valid_from",), "must lie between the years 2000 and 2099")
    if currency not in MINOR_DIGITS:
        yield CatalogueFault(
            ("currency",), "must be a currency of ISO 4217 in circulation", Reason.CURRENCY
        )
    if len(meters) > METERS_MAX:
        yield CatalogueFault(("meters",), f"at most {METERS_MAX} meters", Reason.TOO_MANY)
    for n in _repeated([meter.key for meter in meters]):
        yield CatalogueFault(("meters", n, "key"), "another meter has this key", Reason.METER_TWICE)
    for n, meter in enumerate(meters):
        yield from (fault.within("meters", n) for fault in of_meter(meter))
    for n in _repeated([plan.sku for plan in plans]):
        yield CatalogueFault(("plans", n, "sku"), "another plan has this SKU")
    declared = frozenset(meter.key for meter in meters)
    for n, plan in enumerate(plans):
        yield from (fault.within("plans", n) for fault in of_plan(plan, declared, currency))


def of_meter(meter: Meter) -> Iterator[CatalogueFault]:
    """Faults of one meter."""
    for n in _repeated(meter.group_by):
        yield CatalogueFault(("group_by", n), "this dimension is named before")
    for name, accepted in meter.filter.items():
        if not accepted:
            yield CatalogueFault(
                ("filter", name), "no event could pass: name the values that are counted"
            )
        if len(accepted) > FILTER_VALUES_MAX:
            yield CatalogueFault(("filter", name), f"at most {FILTER_VALUES_MAX} values")
        for n in _repeated(accepted):
            yield CatalogueFault(("filter", name, n), "this value is named before")
    if meter.aggregation is Aggregation.COUNT and meter.value_property is not None:
        yield CatalogueFault(("value_property",), "a count measures nothing of an event")
    if meter.aggregation is Aggregation.TIME_WEIGHTED and meter.decimals == 0:
        yield CatalogueFault(
            ("decimals",), "an average needs decimals: from 1 to 8", Reason.DECIMALS
        )
    if meter.aggregation is Aggregation.UNIQUE_COUNT and meter.value_property == "quantity":
        yield CatalogueFault(
            ("value_property",),
            "identifiers are counted once, not quantities: `value` or a dimension",
        )


def of_plan(plan: Plan, declared: frozenset[str], currency: str) -> Iterator[CatalogueFault]:
    """Faults of one plan. `declared`: the keys of the catalogue's meters."""
    if not 0 <= plan.setup <= PRICE_MAX:
        yield CatalogueFault(("setup",), f"from 0 to {PRICE_MAX}", Reason.PRICE_RANGE)
    elif plan.setup % minor_unit(currency):
        yield CatalogueFault(
            ("setup",), f"an amount is a multiple of {minor_unit(currency)}", Reason.MINOR_UNIT
        )
    if plan.heartbeat_seconds is not None and plan.heartbeat_seconds > HEARTBEAT_SECONDS_MAX:
        yield CatalogueFault(("heartbeat_seconds",), f"at most {HEARTBEAT_SECONDS_MAX}")
    for n, step in enumerate(plan.provisioning):
        yield from (fault.within("provisioning", n) for fault in _of_step(step))
    yield from _names(plan)
    for n, recurring in enumerate(plan.recurring):
        found = (*_of_price(recurring), *_of_recurring(recurring))
        yield from (fault.within("recurring", n) for fault in found)
    sold = frozenset(price.meter for price in plan.recurring)
    for n, usage in enumerate(plan.usage):
        yield from (
            fault.within("usage", n)
            for fault in (
                *_of_price(usage),
                *_of_usage(usage, declared, sold),
                *_of_bounds(usage, currency),
            )
        )


def _of_step(step: ProvisioningStep) -> Iterator[CatalogueFault]:
    if step.driver not in DRIVERS:
        yield CatalogueFault(("driver",), f"no such driver: there are {', '.join(sorted(DRIVERS))}")
        return
    for name in DRIVERS[step.driver]:
        if not getattr(step, name):
            yield CatalogueFault((name,), f"the driver {step.driver} needs it")
    if (
        "url" in DRIVERS[step.driver]
        and step.url
        and not (PLACEHOLDER.fullmatch(step.url) or _is_address(step.url))
    ):
        yield CatalogueFault(
            ("url",),
            "must be an http or https address with a host, without user, query or fragment",
        )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and url.isascii() and url.isprintable()
        and " " not in url and not (parts.username or parts.password or parts.query or parts.fragment)
    )  # fmt: skip


def _names(plan: Plan) -> Iterator[CatalogueFault]:
    """Each component of a plan has one price and a name of its own on documents."""
    places: list[tuple[Part, ...]] = []
    codes: list[str] = []
    priced: Iterable[tuple[str, Sequence[Price]]] = (
        ("recurring", plan.recurring),
        ("usage", plan.usage),
    )
    for kind, prices in priced:
        if len(prices) > PRICES_MAX:
            yield CatalogueFault((kind,), f"at most {PRICES_MAX} prices", Reason.TOO_MANY)
        # One quantity may be sold as two components, such as licence and support; one meter's usage is priced once.
        names = [(price.meter, price.code if kind == "recurring" else "") for price in prices]
        for n in _repeated(names):
            yield CatalogueFault(
                (kind, n, "meter"), "this plan prices it before", Reason.METER_TWICE
            )
        places += [(kind, n, "code") for n in range(len(prices))]
        codes += [price.code for price in prices]
    for n in _repeated(codes):
        yield CatalogueFault(
            places[n], "another component of this plan has this code", Reason.CODE_TWICE
        )
    for place, code in zip(places, codes, strict=True):
        if code == SETUP:
            yield CatalogueFault(place, f"the set-up fee goes by `{SETUP}`", Reason.CODE_TWICE)


def _of_price(price: Price) -> Iterator[CatalogueFault]:
    if len(price.unit) > UNIT_LENGTH_MAX:
        yield CatalogueFault(
            ("unit",), f"documents show at most {UNIT_LENGTH_MAX} characters", Reason.TEXT
        )
    if price.price is not None and not 0 <= price.price <= PRICE_MAX:
        yield CatalogueFault(("price",), f"from 0 to {PRICE_MAX}", Reason.PRICE_RANGE)
    if len(price.tiers) > TIERS_MAX:
        yield CatalogueFault(("tiers",), f"at most {TIERS_MAX} tiers", Reason.TIERS)
    if price.package_size is not None and price.package_size % 1:
        yield CatalogueFault(("package_size",), "a package holds whole units", Reason.SIZE)
    for n, tier in enumerate(price.tiers):
        if not 0 <= tier.price <= PRICE_MAX:
            yield CatalogueFault(
                ("tiers", n, "price"), f"from 0 to {PRICE_MAX}", Reason.PRICE_RANGE
            )
        if tier.up_to == 0:
            yield CatalogueFault(("tiers", n, "up_to"), "a tier must hold something", Reason.TIERS)


def _of_recurring(price: RecurringPrice) -> Iterator[CatalogueFault]:
    if price.model not in RECURRING_MODELS:
        yield CatalogueFault(("model",), f"a recurring price is {' or '.join(RECURRING_MODELS)}")


def _of_usage(
    price: UsagePrice, declared: frozenset[str], sold: frozenset[str]
) -> Iterator[CatalogueFault]:
    if price.meter not in declared:
        yield CatalogueFault(
            ("meter",), "no meter of this catalogue has this key", Reason.UNKNOWN_METER
        )
    if price.model is PriceModel.PERCENTAGE and price.price and price.price > PERCENT_MAX:
        yield CatalogueFault(("price",), "at most all of it: 100 per cent", Reason.PRICE_RANGE)
    if price.included_per is None:
        return
    if price.included_per not in sold:
        yield CatalogueFault(("included_per",), "this plan sells no such component")
    if price.included is None:
        yield CatalogueFault(("included",), "how much is included per unit must be said")


def _of_bounds(price: UsagePrice, currency: str) -> Iterator[CatalogueFault]:
    """What a month costs at least and at most."""
    for name, amount in (("minimum", price.minimum), ("maximum", price.maximum)):
        if amount is None:
            continue
        if not 0 <= amount <= PRICE_MAX:
            yield CatalogueFault((name,), f"from 0 to {PRICE_MAX}", Reason.PRICE_RANGE)
        elif amount % minor_unit(currency):
            yield CatalogueFault(
                (name,), f"an amount is a multiple of {minor_unit(currency)}", Reason.MINOR_UNIT
            )
    if price.minimum is not None and price.maximum is not None and price.minimum > price.maximum:
        yield CatalogueFault(("minimum",), "not above the maximum", Reason.PRICE_RANGE)


def _repeated(items: Sequence[Hashable]) -> list[int]:
    """The places of items that were there before."""
    seen: set[Hashable] = set()
    return [n for n, item in enumerate(items) if item in seen or seen.add(item)]  # type: ignore[func-returns-value]
