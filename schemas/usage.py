"""Usage: what was measured. Exactly one of `quantity` and `value`, as the meter's aggregation asks."""

from pydantic import Field, model_validator

from schemas.envelope import Payload
from schemas.scalars import Key, NonNegativeQuantity, ShortText, Uuid
from schemas.topics import USAGE


class UsageRecorded(Payload, type="vicino.usage.recorded.v1", topic=USAGE):
    """One measured fact about a service instance. The envelope's `time` says when it happened."""

    service_id: Uuid
    meter: Key
    quantity: NonNegativeQuantity | None = None
    value: ShortText | None = None
    """What a `unique_count` meter counts once: a document number, an order id."""
    dimensions: dict[Key, ShortText] = Field(default_factory=dict, max_length=8)

    @model_validator(mode="after")
    def _measured(self) -> "UsageRecorded":
        if (self.quantity is None) == (self.value is None):
            raise ValueError("exactly one of quantity and value")
        return self
