"""Whatever Kafka delivers, and whoever dies, every offset of a log takes effect exactly once, in order.

The engine's rule (`judge`) is driven through seeded schedules of deliveries, redeliveries, crashes before and after a
commit, zombies and seeks; `VICINO_SCHEDULES` says how many (10^4 here, 10^6 when asked for).
"""

import os
import random
from dataclasses import dataclass, field

import pytest

from services.chassis.engine.fence import FenceVerdict, judge

SCHEDULES = int(os.environ.get("VICINO_SCHEDULES", "10000"))
LOG_LENGTH = 40


@dataclass
class Database:
    """What survives: the fence and the effects, changed together."""

    next_offset: int = 0
    effects: list[int] = field(default_factory=list)


@dataclass
class Reader:
    """A worker: it remembers only where it reads, and it may be a zombie."""

    position: int = 0

    def step(self, database: Database, dice: random.Random) -> None:
        """Fetch a batch, carry it as the engine does, perhaps die in the middle."""
        first, last = self.position, min(LOG_LENGTH, self.position + dice.randint(1, 9)) - 1
        if first > last:
            self.position = database.next_offset
            return
        verdict = judge(database.next_offset, first, last)
        dies = dice.random()
        if verdict is FenceVerdict.GAP:
            self.position = database.next_offset
        elif verdict is FenceVerdict.SKIP:
            self.position = last + 1
        elif dies > 0.2:  # else: killed before the commit, nothing happened
            database.effects += range(database.next_offset, last + 1)
            database.next_offset = last + 1
            # Killed after the commit: it will read again.
            self.position = self.position if dies < 0.4 else last + 1


def test_every_offset_takes_effect_once_in_order_under_any_schedule() -> None:
    for seed in range(SCHEDULES):
        dice = random.Random(seed)
        database, readers = Database(), [Reader(), Reader()]
        while database.next_offset < LOG_LENGTH:
            reader = dice.choice(readers)
            if dice.random() < 0.1:
                # A rebalance, or a hand on the group's offsets.
                reader.position = dice.randint(0, LOG_LENGTH)
            reader.step(database, dice)
        assert database.effects == list(range(LOG_LENGTH)), f"seed {seed}"


@pytest.mark.parametrize(
    ("wanted", "first", "last", "verdict"),
    [
        (5, 5, 9, FenceVerdict.TAKE),
        (5, 5, 5, FenceVerdict.TAKE),
        (5, 3, 9, FenceVerdict.TRIM),
        (5, 3, 5, FenceVerdict.TRIM),
        (5, 0, 4, FenceVerdict.SKIP),
        (5, 6, 9, FenceVerdict.GAP),
    ],
)
def test_a_slice_is_compared_with_the_databases_offset(
    wanted: int, first: int, last: int, verdict: FenceVerdict
) -> None:
    assert judge(wanted, first, last) is verdict
