"""The rate limit of each key: a token bucket per principal."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass(slots=True)
class Limiter:
    """Token buckets: `rate` per second, `burst` after a rest. `at` is a monotonic time in seconds."""

    rate: float
    burst: float
    _buckets: dict[str, _Bucket] = field(default_factory=dict)

    def wait_seconds(self, principal: str, at: float) -> float:
        """Take a token: 0, or how long until there is one."""
        bucket = self._buckets.setdefault(principal, _Bucket(self.burst, at))
        bucket.tokens = min(self.burst, bucket.tokens + (at - bucket.at) * self.rate)
        bucket.at = at
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self.rate
        bucket.tokens -= 1
        return 0.0
