"""How long a client that gets nothing is waited for before it is replaced: longer each time it did not help."""

import time

from services.chassis.backoff import Backoff
from services.chassis.engine.progress import STUCK_AFTER_SECONDS

WAITS = Backoff(first_seconds=STUCK_AFTER_SECONDS, max_seconds=600.0)


class Patience:
    """Counts the replacements that did not help. It may not be the client's fault."""

    def __init__(self) -> None:
        self._fruitless, self._until = 0, 0.0

    def restore(self) -> None:
        """Records came."""
        self._fruitless, self._until = 0, 0.0

    def is_over(self) -> bool:
        """Whether to replace the client now; if so, the next one gets longer."""
        if time.monotonic() < self._until:
            return False
        self._fruitless += 1
        self._until = time.monotonic() + WAITS.seconds(self._fruitless)
        return True
