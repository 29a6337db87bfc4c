"""What the operator sends to the registry. Unknown fields are refused: a misspelt one would be lost in silence."""

from itertools import islice
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from schemas.catalogue import Meter, Place, Plan, ResellerTier
from schemas.catalogue_rules import CatalogueFault, faults
from schemas.deliveries import Channel
from schemas.orders import Review
from schemas.reasons import Reason
from schemas.scalars import Currency, Instant, Key, ShortText, Text
from schemas.validation import broken, reason_of
from services.gateway.domain.channels import NotifyBy, is_mail_address
from services.gateway.domain.faults import pointer

PLANS_MAX = 500
CATALOGUE_BYTES_MAX = 800_000
"""It is one event, with an envelope: a message of Kafka's has a limit."""

FAULTS_MAX = 100
"""So many are listed at once."""


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _strictly(part: type[BaseModel]) -> BeforeValidator:
    """Read a part of a catalogue; its unknown fields are refused too, and nowhere but here."""
    return BeforeValidator(lambda value: part.model_validate(value, extra="forbid"))


class CatalogueSpec(_Spec):
    """A catalogue to be put into force."""

    valid_from: Instant
    currency: Currency
    meters: tuple[Annotated[Meter, _strictly(Meter)], ...]
    plans: tuple[Annotated[Plan, _strictly(Plan)], ...] = Field(min_length=1, max_length=PLANS_MAX)

    @model_validator(mode="after")
    def _follows_the_rules(self) -> "CatalogueSpec":
        found = list(
            islice(faults(self.valid_from, self.currency, self.meters, self.plans), FAULTS_MAX)
        )
        if not found and len(self.model_dump_json().encode()) > CATALOGUE_BYTES_MAX:
            found = [
                CatalogueFault(
                    (),
                    f"a catalogue may have {CATALOGUE_BYTES_MAX} bytes as JSON",
                    Reason.TOO_LARGE,
                )
            ]
        if found:
            raise ValidationError.from_exception_data(
                "catalogue",
                [{"type": broken(fault.reason, fault.message), "loc": fault.place, "input": None} for fault in found],
                hide_input=True,
            )  # fmt: skip
        return self


def catalogue_faults(content: Any) -> list[dict[str, str]]:
    """Every fault that the door would find in a catalogue: its place, its reason and a sentence."""
    try:
        CatalogueSpec.model_validate(content)
    except ValidationError as error:
        return [
            {"pointer": pointer(*fault["loc"]), "reason": reason_of(fault["type"], str(fault["loc"][-1]) if fault["loc"] else ""),
             "detail": fault["msg"]}
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]  # fmt: skip
    return []


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
    webhook_url: Text = ""
    notify_by: NotifyBy = NotifyBy.WEBHOOK
    """`webhook`, `email` (to the technician's address), or `both`."""

    @model_validator(mode="after")
    def _can_be_notified(self) -> "ResellerSpec":
        channels = self.notify_by.channels
        if Channel.WEBHOOK in channels and not self.webhook_url:
            raise _fault(("webhook_url",), "webhooks need an address")
        if Channel.EMAIL in channels and not is_mail_address(self.contact.email):
            raise _fault(("contact", "email"), "no mail can be addressed so")
        return self


def _fault(place: tuple[str, ...], message: str) -> ValidationError:
    return ValidationError.from_exception_data(
        "reseller",
        [{"type": broken(Reason.BAD_DATA, message), "loc": place, "input": None}],
        hide_input=True,
    )


class BackendSpec(_Spec):
    """A back-end of services to be registered: it may speak for services of these SKUs, of any tenant."""

    name: ShortText
    skus: tuple[Key, ...] = Field(min_length=1)


class ReviewSpec(_Spec):
    """What becomes of an order that waits for a person."""

    review: Review
    reason: Text = ""


class MoveSpec(_Spec):
    """Who shall serve a tenant instead of its reseller, and from when on: now, if not said."""

    reseller_id: Key
    effective_at: Instant | None = None
    reason: Text = ""


class Decision(_Spec):
    """Who shall serve a tenant."""

    reseller_id: Key
    reason: Text = ""
