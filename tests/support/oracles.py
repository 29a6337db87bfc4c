"""What usage comes to, the plain way: every event is looked at, and nothing is kept between. Slow, and easy to believe."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, localcontext

from schemas.catalogue import Aggregation, Meter
from services.billing.domain.aggregation import Sample, time_weighted
from services.billing.domain.money import PRECISION_DIGITS, tidy
from services.billing.metering.arrivals import Arrival


def aggregate(
    kind: Aggregation, samples: Sequence[Sample], *, start: datetime, end: datetime,
    before: Decimal = Decimal(0), decimals: int = 0,
) -> Decimal:  # fmt: skip
    """The quantity of `[start, end)`. Samples may come in any order; all lie in the window."""
    ordered = sorted(samples, key=lambda sample: (sample.at, sample.order))
    quantities = [sample.quantity for sample in ordered if sample.quantity is not None]
    match kind:
        case Aggregation.COUNT:
            return Decimal(len(ordered))
        case Aggregation.UNIQUE_COUNT:
            return Decimal(len({sample.value for sample in ordered}))
        case Aggregation.TIME_WEIGHTED:
            return time_weighted(ordered, before, start, end, decimals)
        case Aggregation.SUM:
            return _sum(quantities)
        case Aggregation.MAX:
            return tidy(max(quantities, default=Decimal(0)))
        case Aggregation.MIN:
            return tidy(min(quantities, default=Decimal(0)))
        case Aggregation.LATEST:
            return tidy(quantities[-1]) if quantities else Decimal(0)


def _sum(quantities: Sequence[Decimal]) -> Decimal:
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        return tidy(sum(quantities, Decimal(0)))


def read_by(meter: Meter, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """The events that a meter counts, in order of time."""
    found = [
        arrival for arrival in arrivals
        if arrival.said.meter == (meter.event or meter.key)
        and all(arrival.said.dimensions.get(name) in accepted for name, accepted in meter.filter.items())
    ]  # fmt: skip
    return sorted(found, key=lambda arrival: (arrival.at, arrival.key))


def quantity_of(meter: Meter, arrivals: Iterable[Arrival], start: datetime, end: datetime) -> Decimal:
    """What a meter says of `[start, end)`. Levels of different groups add up; else the groups are one."""
    ours = read_by(meter, arrivals)
    if meter.aggregation is not Aggregation.TIME_WEIGHTED:
        return _of_one_group(meter, ours, start, end)
    groups: dict[tuple[str, ...], list[Arrival]] = {}
    for arrival in ours:
        groups.setdefault(tuple(arrival.said.dimensions.get(name, "") for name in meter.group_by), []).append(arrival)
    return tidy(sum((_of_one_group(meter, group, start, end) for group in groups.values()), Decimal(0)))


def _of_one_group(meter: Meter, ours: Sequence[Arrival], start: datetime, end: datetime) -> Decimal:
    samples = [_sample(meter, arrival) for arrival in ours]
    earlier = [sample.quantity for sample in samples if sample.at < start and sample.quantity is not None]
    return aggregate(
        meter.aggregation, [sample for sample in samples if start <= sample.at < end], start=start, end=end,
        before=earlier[-1] if earlier else Decimal(0), decimals=meter.decimals,
    )  # fmt: skip


def _sample(meter: Meter, arrival: Arrival) -> Sample:
    told = {"quantity": arrival.said.quantity, "value": arrival.said.value, **arrival.said.dimensions}[meter.measures]
    is_number = meter.aggregation not in (Aggregation.COUNT, Aggregation.UNIQUE_COUNT)
    return Sample(arrival.at, arrival.key.hex(), Decimal(told) if is_number and told else None, told)
