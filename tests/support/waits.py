"""What the metrics say of what waits."""

from prometheus_client import REGISTRY


def waits(kind: str) -> tuple[float | None, float | None]:
    """How many of a kind wait, and for how many seconds the oldest."""
    return (
        REGISTRY.get_sample_value("vicino_waiting", {"kind": kind}),
        REGISTRY.get_sample_value("vicino_waiting_oldest_seconds", {"kind": kind}),
    )
