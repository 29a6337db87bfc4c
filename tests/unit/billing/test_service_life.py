"""Suspended, resumed, ended, in trial: what a service costs then, against a loop over its days in fractions."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import RecurringPrice, Timing
from schemas.tenants import LifeState
from services.billing.domain.model import BilledService
from services.billing.domain.periods import Days, civil_day, midnight, month_of, months
from services.billing.domain.quantities import QuantityFact, timeline
from services.billing.domain.recurring import (
    Billed,
    average_units,
    component,
    recurring_charges,
    unbilled_fees,
)
from services.billing.domain.service_life import (
    Life,
    StateFact,
    life,
    until_end,
    without,
)
from services.billing.usecases.services_in_time import ServiceInTime
from tests.support.catalogue import PLANS, ROME

START = datetime(2026, 11, 1, 9, tzinfo=ROME).astimezone(UTC)
FIRST = date(2026, 11, 1)
SEAT = RecurringPrice.model_validate({
    "code": "seat", "meter": "seat", "label": "Postazione", "price": "7.77", "unit": "post.", "timing": "advance",
    "singular": "postazione", "plural": "postazioni",
})  # fmt: skip
STATES = st.lists(
    st.builds(
        StateFact, st.sampled_from([*LifeState, LifeState.ACTIVE, LifeState.SUSPENDED, LifeState.SUSPENDED]),
        st.integers(-200, 24 * 130).map(lambda n: START + timedelta(hours=n)),
    ), max_size=7,
)  # fmt: skip
SEATS = st.lists(
    st.builds(
        QuantityFact, st.just("seat"), st.integers(-100, 24 * 130).map(lambda n: START + timedelta(hours=n)),
        st.integers(0, 9).map(Decimal),
    ), max_size=4,
)  # fmt: skip


class Told(NamedTuple):
    """What is known of a service."""

    seats: Sequence[QuantityFact]
    states: Sequence[StateFact]
    paused: bool
    trial_days: int

    def charged(self, day: date) -> Decimal:
        """The plain way: how many seats cost something on a day."""
        if day < FIRST + timedelta(days=self.trial_days):
            return Decimal(0)
        state = LifeState.ACTIVE
        for fact in self._by(self.states, day):
            if fact.state is LifeState.ENDED:
                return Decimal(0)
            state = fact.state
        if state is LifeState.SUSPENDED and self.paused:
            return Decimal(0)
        return Decimal([fact.quantity for fact in self._by(self.seats, day)][-1])

    @staticmethod
    def _by(facts: Sequence, day: date) -> list:  # type: ignore[type-arg]
        """Facts that count on a day, the one that holds last."""
        clamped = [(max(fact.effective_at, START), n, fact) for n, fact in enumerate(facts)]
        return [fact for at, _, fact in sorted(clamped) if at.astimezone(ROME).date() <= day]

    def month(self, month: Days, price: Decimal) -> Decimal:
        """What a month costs, rounded once."""
        units = sum((Fraction(self.charged(day)) for day in month), Fraction(0))
        exact = units * Fraction(price) / len(month)
        cents = Fraction(exact * 100)
        return (Decimal(cents.numerator) / Decimal(cents.denominator)).quantize(
            Decimal(1), ROUND_HALF_UP
        ) / 100

    def service(self, price: RecurringPrice) -> ServiceInTime:
        plan = PLANS["ERP-CLOUD"].model_copy(
            update={
                "recurring": (price.model_copy(update={"paused": self.paused}),),
                "trial_days": self.trial_days,
            }
        )
        lived = life(self.states, START, ROME)
        changes = until_end(timeline(self.seats, START, ROME), lived.ended)
        return ServiceInTime(BilledService("s", START, plan, "EUR"), FIRST, changes, (), lived)


@pytest.mark.parametrize("timing", list(Timing))
@given(SEATS, STATES, st.booleans(), st.integers(0, 70), st.data())
def test_whatever_is_told_and_when_months_cost_what_their_days_cost(
    timing: Timing,
    seats: list[QuantityFact],
    states: list[StateFact],
    paused: bool,
    trial: int,
    data: st.DataObject,
) -> None:
    """Facts come in two parts, with runs before, between and after: what is billed in all is what all of them come to."""
    first = QuantityFact("seat", START, Decimal(3))
    whole = Told([first, *seats], states, paused, trial)
    cut = data.draw(st.tuples(st.integers(0, len(seats)), st.integers(0, len(states))))
    early = Told([first, *seats[: cut[0]]], states[: cut[1]], paused, trial)
    price = SEAT.model_copy(update={"timing": timing})
    billed: list[Billed] = []
    for told, boundaries in (
        (early, ("2026-11-01", "2026-12-01")),
        (whole, ("2027-01-01", "2027-02-01", "2027-03-01")),
    ):
        one = told.service(price)
        for boundary in map(date.fromisoformat, boundaries):
            charges = recurring_charges(
                one.service.plan,
                one.changes,
                {component(one.service.plan, price): billed},
                boundary,
                price_of=one.price_of,
                free_of=one.free_of,
            )
            billed += [Billed(charge.days, charge.units_billed, charge.net) for charge in charges]
            assert unbilled_fees(
                one.service.plan, one.changes, {component(one.service.plan, price): billed}, boundary,
                price_of=one.price_of, free_of=one.free_of,
            ) == []  # fmt: skip
    assert price.price is not None
    for month in months(FIRST, date(2027, 2, 28)):
        was = sum((row.net for row in billed if month_of(row.days.start) == month), Decimal(0))
        assert was == whole.month(month, price.price), month


@given(SEATS, STATES)
def test_a_pool_per_unit_is_an_average_over_the_days_on_which_the_service_was_there(
    seats: list[QuantityFact], states: list[StateFact]
) -> None:
    told = Told(
        [QuantityFact("seat", START, Decimal(3)), *seats], states, paused=False, trial_days=0
    )
    one = told.service(SEAT)
    for month in months(FIRST, date(2027, 2, 28)):
        days = [day for day in month if one.life.ended is None or day < one.life.ended]
        levels = [
            Fraction([fact.quantity for fact in Told._by(told.seats, day)][-1]) for day in days
        ]
        expected = sum(levels, Fraction(0)) / len(days) if days else Fraction(0)
        found = average_units(one.changes, "seat", one.life.active_in(month, one.started))
        assert abs(Fraction(found) - expected) < Fraction(1, 10**20)


@given(st.permutations([
    StateFact(LifeState.SUSPENDED, START + timedelta(days=5)), StateFact(LifeState.ACTIVE, START + timedelta(days=9)),
    StateFact(LifeState.ENDED, START + timedelta(days=40)), StateFact(LifeState.ENDED, START + timedelta(days=30)),
    StateFact(LifeState.SUSPENDED, START + timedelta(days=35)),
]))  # fmt: skip
def test_the_order_in_which_states_arrive_does_not_matter(facts: list[StateFact]) -> None:
    assert life(facts, START, ROME) == Life(
        (Days(date(2026, 11, 6), date(2026, 11, 10)),),
        START + timedelta(days=30),
        date(2026, 12, 1),
    )


def test_a_day_costs_by_its_last_state() -> None:
    noon = midnight(date(2026, 11, 10), ROME) + timedelta(hours=12)
    for_an_hour = [
        StateFact(LifeState.SUSPENDED, noon),
        StateFact(LifeState.ACTIVE, noon + timedelta(hours=1)),
    ]
    assert life(for_an_hour, START, ROME).suspended == ()
    assert life(
        [*for_an_hour, StateFact(LifeState.SUSPENDED, noon + timedelta(hours=2))], START, ROME
    ).suspended == (Days(civil_day(noon, ROME), date.max),)


def test_what_is_free_does_not_move_the_start() -> None:
    changes = timeline([QuantityFact("seat", START, Decimal(3))], START, ROME)
    assert [change.day for change in without(changes, [Days(FIRST, FIRST + timedelta(days=3))])] == [
        FIRST, FIRST + timedelta(days=3)
    ]  # fmt: skip
