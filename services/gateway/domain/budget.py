"""How much of what one principal is refused is kept: rows of bounded size, so many at once, so many in the long run."""

from dataclasses import dataclass, field

ROWS_PER_SECOND = 10.0
ROWS_AT_ONCE = 2_000


@dataclass(slots=True)
class Budget:
    """Rows that each principal has left. `at` is a monotonic time in seconds."""

    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def spend(self, principal: str, wanted: int, at: float) -> int:
        """Take rows: as many as are wanted, or are left."""
        left, before = self._left.get(principal, (float(ROWS_AT_ONCE), at))
        left = min(float(ROWS_AT_ONCE), left + (at - before) * ROWS_PER_SECOND)
        taken = min(wanted, int(left))
        self._left[principal] = (left - taken, at)
        return taken
