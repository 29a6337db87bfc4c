"""What billing keeps of tenants and their services."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from schemas.catalogue import Plan
from schemas.currencies import minor_unit


@dataclass(frozen=True, slots=True)
class BilledTenant:
    """A tenant as documents and meters know it."""

    id: str
    no: int
    """Short for `id`, in blocks of raw events."""
    external_id: str | None
    zone: ZoneInfo
    """Of its civil days."""
    currency: str
    reseller_id: str | None
    country: str
    """Of its seat, by two letters."""


@dataclass(frozen=True, slots=True)
class BilledService:
    """A service instance, with its plan as it was sold."""

    id: str
    activated_at: datetime
    plan: Plan
    currency: str

    @property
    def step(self) -> Decimal:
        """The smallest amount of its currency."""
        return minor_unit(self.currency)
