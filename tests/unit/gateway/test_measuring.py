"""The door refuses a value only where no meter that ever read its name could count it: billing's own rule is the oracle."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import Aggregation, Meter
from services.billing.domain.meters import MeterVersion, NotMeasurable
from services.gateway.domain.measuring import is_wrong_kind, need_of

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """A usage event, as a meter sees it."""

    quantity: str | None
    value: str | None
    dimensions: dict[str, str] = field(default_factory=dict)


meters = st.builds(
    Meter,
    key=st.just("calls"),
    name=st.just("Calls"),
    unit=st.just("n"),
    aggregation=st.sampled_from(Aggregation),
    value_property=st.sampled_from([None, "quantity", "value", "bytes"]),
    filter=st.sampled_from([{}, {"region": ("eu",)}]),
    group_by=st.sampled_from([(), ("region",)]),
)
events = st.builds(
    lambda is_quantity, number, dimensions: Seen(
        number if is_quantity else None, None if is_quantity else number, dimensions
    ),
    st.booleans(),
    st.sampled_from(["1", "2.5", "0"]),
    st.sampled_from([{}, {"region": "eu"}, {"bytes": "7"}, {"region": "us", "bytes": "1"}]),
)


def counts(meter: Meter, event: Seen) -> bool:
    """Whether the meter passes over the event, or can measure it: then billing does not refuse it."""
    version = MeterVersion(meter, 1, SINCE)
    if not version.passes(event.dimensions):
        return True
    try:
        version.text(event)
    except NotMeasurable:
        return False
    return True


@given(st.lists(meters, min_size=1, max_size=4), events)
def test_what_the_door_refuses_no_definition_could_count(
    definitions: list[Meter], event: Seen
) -> None:
    needs = {need_of(meter) for meter in definitions}
    if is_wrong_kind(event.quantity is not None, needs):
        assert not any(counts(meter, event) for meter in definitions)


@pytest.mark.parametrize("aggregation", Aggregation)
def test_a_plain_meter_refuses_the_other_kind_unless_it_counts_events(
    aggregation: Aggregation,
) -> None:
    meter = Meter(key="calls", name="Calls", unit="n", aggregation=aggregation)
    refused = {kind: is_wrong_kind(kind == "quantity", {need_of(meter)}) for kind in ("quantity", "value")}  # fmt: skip
    if aggregation is Aggregation.COUNT:
        assert refused == {"quantity": False, "value": False}
    else:
        other = "quantity" if meter.measures == "value" else "value"
        assert refused == {meter.measures: False, other: True}


def test_of_a_name_that_nothing_is_known_of_nothing_is_refused() -> None:
    assert not is_wrong_kind(True, ())
