"""What is sold, what is counted, and who is near: plans, meters and resellers, numbered by one revision.

The revision orders everything on `catalogue.v1`. The doors stamp it on what they accept, so that a reader which has
not yet seen that revision waits instead of misjudging.
"""

from enum import StrEnum
from itertools import pairwise

from pydantic import Field, model_validator

from schemas.envelope import Payload
from schemas.reasons import Reason
from schemas.scalars import (
    Amount,
    Currency,
    Instant,
    Key,
    NonNegativeQuantity,
    ShortText,
    Text,
    Value,
)
from schemas.topics import CATALOGUE
from schemas.validation import broken


class Aggregation(StrEnum):
    """How the events of a meter become one quantity of a period."""

    SUM = "sum"
    COUNT = "count"
    MAX = "max"
    MIN = "min"
    LATEST = "latest"
    UNIQUE_COUNT = "unique_count"
    TIME_WEIGHTED = "time_weighted"


class PriceModel(StrEnum):
    """How a quantity becomes money (domain words of the trade)."""

    PER_UNIT = "per_unit"
    GRADUATED = "graduated"
    VOLUME = "volume"
    PACKAGE = "package"
    PERCENTAGE = "percentage"
    """Of a meter that counts money: `price` is the per cent of it."""


class Timing(StrEnum):
    """Whether a recurring price is invoiced before or after its period."""

    ADVANCE = "advance"
    ARREARS = "arrears"


class AllowanceScope(StrEnum):
    """Whose an allowance is: a service's own, or pooled over all services of the tenant with this price."""

    SERVICE = "service"
    TENANT = "tenant"


class Meter(Value):
    """What is counted, and how. Published with another definition, it is a new version from that day on."""

    key: Key
    name: ShortText
    aggregation: Aggregation
    unit: ShortText
    decimals: int = Field(default=0, ge=0, le=8)
    """Digits an averaged quantity is rounded to (half up); a counted one has no more than its events."""
    event: Key | None = None
    """The measured name it reads (`data.meter` of usage events); its own key, if none. Several meters may read one name."""
    filter: dict[Key, tuple[ShortText, ...]] = Field(default_factory=dict, max_length=8)
    """Dimensions and the values they must have; an event without the dimension does not pass."""
    value_property: Key | None = None
    """What is aggregated: `quantity`, `value`, or a dimension. If none, `value` for `unique_count`, else `quantity`."""
    group_by: tuple[Key, ...] = Field(default=(), max_length=8)
    """Dimensions by which the meter is kept apart."""

    @property
    def reads(self) -> str:
        """The measured name of the events it reads."""
        return self.event or self.key

    @property
    def measures(self) -> str:
        """The property that is aggregated."""
        return self.value_property or (
            "value" if self.aggregation is Aggregation.UNIQUE_COUNT else "quantity"
        )


class Tier(Value):
    """A step of a price. `up_to` is inclusive; the last tier has none."""

    up_to: NonNegativeQuantity | None
    price: Amount


class Price(Value):
    """What one component costs. Exactly `price` or `tiers`, as the model asks."""

    meter: Key
    code: Key
    """The component's name on documents: `SKU/code`."""
    label: ShortText
    """What the SME reads, in Italian."""
    unit: ShortText
    """Unit of measure on documents, at most 10 characters there."""
    model: PriceModel = PriceModel.PER_UNIT
    price: Amount | None = None
    tiers: tuple[Tier, ...] = ()
    package_size: NonNegativeQuantity | None = None
    commissionable: bool = True

    @model_validator(mode="after")
    def _complete(self) -> "Price":
        tiered = self.model in (PriceModel.GRADUATED, PriceModel.VOLUME)
        if tiered != bool(self.tiers) or tiered == (self.price is not None):
            raise broken(
                Reason.TIERS,
                "a tiered model has tiers and no price; another has a price and no tiers",
            )
        if (self.model is PriceModel.PACKAGE) != bool(self.package_size):
            raise broken(Reason.SIZE, "package_size belongs to the package model, above zero")
        if self.tiers and not _rising(self.tiers):
            raise broken(Reason.TIERS, "tiers must rise and end with an open one")
        return self


def _rising(tiers: tuple[Tier, ...]) -> bool:
    """Whether the bounds rise strictly and only the last tier is open."""
    bounds = [tier.up_to for tier in tiers[:-1]]
    known = [bound for bound in bounds if bound is not None]
    return (
        tiers[-1].up_to is None
        and len(known) == len(bounds)
        and all(a < b for a, b in pairwise(known))
    )


class RecurringPrice(Price):
    """A price per unit and month, for a quantity that the tenant orders (`base` is always 1)."""

    timing: Timing
    singular: ShortText
    plural: ShortText
    """The counted noun of a prorated line, in Italian: `1 utente`, `2 utenti`."""
    paused: bool = False
    """Whether it costs nothing on days on which the service is suspended."""


class UsagePrice(Price):
    """A price of metered usage, in arrears."""

    included: NonNegativeQuantity | None = None
    """Units free of charge in each period."""
    included_per: Key | None = None
    """When set, `included` is per unit of that recurring component."""
    included_scope: AllowanceScope = AllowanceScope.SERVICE
    """A pool adds up what is per unit; what is flat is there once for the tenant."""
    minimum: Amount | None = None
    """What a month costs at least, whatever was used; by the day in a month in which the service begins or ends."""
    maximum: Amount | None = None
    """What a month costs at most."""


class ProvisioningStep(Value):
    """One idempotent step of making a service: a driver, and where it finds its back-end."""

    driver: Key
    """`postgres` (a database and a login) or `http` (a plain hook)."""
    url: Text | None = None


class Plan(Value):
    """A sellable service."""

    sku: Key
    name: ShortText
    setup: Amount
    setup_label: ShortText = "Attivazione"
    recurring: tuple[RecurringPrice, ...]
    usage: tuple[UsagePrice, ...] = ()
    provisioning: tuple[ProvisioningStep, ...] = Field(min_length=1)
    heartbeat_seconds: int | None = Field(default=None, ge=1)
    """How often a live service of this plan reports itself; None: it does not."""
    suspend_at_cap: bool = False
    """Whether its services are suspended while a hard cap of the tenant is reached, until the next month or a higher cap."""
    trial_days: int = Field(default=0, ge=0, le=366)
    """For so many days from its start a service costs no fees; then its set-up is due. Usage is charged from the start."""


class CataloguePublished(Payload, type="vicino.catalogue.published.v1", topic=CATALOGUE):
    """The operator put a catalogue into force. It replaces the one before it from `valid_from` on."""

    revision: int
    valid_from: Instant
    currency: Currency
    meters: tuple[Meter, ...]
    plans: tuple[Plan, ...]


class Place(Value):
    """A town, well enough known to measure distance. Coordinates are WGS 84 degrees (GeoNames, CC BY 4.0)."""

    comune: ShortText
    provincia: ShortText
    regione: ShortText
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class ResellerTier(StrEnum):
    """Standing of a reseller with the provider."""

    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"


class ResellerProfile(Value):
    """What assignment needs to know of a reseller. `active` counts tenants it already serves elsewhere."""

    reseller_id: Key
    name: ShortText
    place: Place
    languages: tuple[Key, ...] = Field(min_length=1)
    verticals: tuple[ShortText, ...] = ()
    certifications: tuple[Key, ...] = ()
    capacity: int = Field(ge=0)
    active: int = Field(ge=0)
    tier: ResellerTier = ResellerTier.SILVER


class ResellerRegistered(
    Payload, ResellerProfile, type="vicino.reseller.registered.v1", topic=CATALOGUE
):
    """The operator registered a reseller, or changed what is known of it."""

    revision: int
