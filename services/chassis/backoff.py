"""How long to wait before trying again. Pure, but for the jitter's random source, which is given."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential waits, or a fixed list of them. `jitter` is the share by which a wait may be longer."""

    first_seconds: float = 1.0
    factor: float = 2.0
    max_seconds: float = 300.0
    jitter: float = 0.1
    steps: tuple[float, ...] = ()

    @classmethod
    def schedule(cls, steps: tuple[float, ...], jitter: float = 0.1) -> "Backoff":
        """Exactly these waits, in seconds; the last one repeats."""
        return cls(steps=steps, jitter=jitter)

    def seconds(self, failures: int, source: random.Random | None = None) -> float:
        """The wait after the `failures`-th failure in a row (from 1)."""
        if self.steps:
            wait = self.steps[min(failures, len(self.steps)) - 1]
        else:
            # Beyond 2^64 the bound has long been reached; the exponent is kept small so that the power stays a float.
            wait = min(self.max_seconds, self.first_seconds * self.factor ** min(failures - 1, 64))
        return wait * (1 + self.jitter * (source or random).random())
