"""What the operator sends to the registry. Unknown fields are refused: a misspelt one would be lost in silence."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.catalogue import Meter, Place, Plan, ResellerTier
from schemas.scalars import Currency, Instant, Key, ShortText, Text

PLANS_MAX = 500


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CatalogueSpec(_Spec):
    """A catalogue to be put into force."""

    valid_from: Instant
    currency: Currency
    meters: tuple[Meter, ...]
    plans: tuple[Plan, ...] = Field(min_length=1, max_length=PLANS_MAX)

    @model_validator(mode="after")
    def _consistent(self) -> "CatalogueSpec":
        declared = {meter.key for meter in self.meters}
        if len(declared) < len(self.meters) or len({plan.sku for plan in self.plans}) < len(self.plans):
            raise ValueError("a meter or a SKU is there twice")
        for plan in self.plans:
            _check_plan(plan, frozenset(declared))
        return self


def _check_plan(plan: Plan, declared: frozenset[str]) -> None:
    """Every name a plan uses must be declared. Raises `ValueError`."""
    recurring = {price.meter for price in plan.recurring}
    for price in plan.usage:
        if price.meter not in declared:
            raise ValueError(f"{plan.sku}: meter {price.meter} is not declared")
        if price.included_per is not None and price.included_per not in recurring:
            raise ValueError(f"{plan.sku}: {price.meter} is included per {price.included_per}, which it does not sell")


class Technician(_Spec):
    """The face: who comes, calls and writes."""

    name: ShortText
    phone: ShortText
    email: ShortText
    photo_url: Text = ""


class ResellerSpec(_Spec):
    """A reseller to be registered. `active` counts tenants it already serves elsewhere."""

    name: ShortText
    place: Place
    languages: tuple[Key, ...] = Field(min_length=1)
    verticals: tuple[ShortText, ...] = ()
    certifications: tuple[Key, ...] = ()
    capacity: int = Field(ge=0)
    active: int = Field(ge=0)
    tier: ResellerTier = ResellerTier.SILVER
    contact: Technician
    webhook_url: Text


class BackendSpec(_Spec):
    """A back-end of services to be registered: it may speak for services of these SKUs, of any tenant."""

    name: ShortText
    skus: tuple[Key, ...] = Field(min_length=1)


class Decision(_Spec):
    """Who shall serve a tenant."""

    reseller_id: Key
    reason: Text = ""
