"""What an event from outside says: its type, time, subject and data, read and normalised. All faults are found, not the first."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError
from stdnum.exceptions import ValidationError as BadNumber
from stdnum.it import iva

from schemas import identity
from schemas.envelope import Payload
from schemas.horizon import EARLY_MAX, LATE_MAX
from schemas.orders import OF_STATE, OrderCancelRequested, OrderPlaced, TenantDetails
from schemas.reasons import Reason
from schemas.scalars import read_instant
from schemas.signals import (
    AcknowledgementGiven,
    HeartbeatReceived,
    IncidentReported,
    ResolutionGiven,
)
from schemas.usage import UsageRecorded
from services.gateway.domain.cloudevents import Incoming
from services.gateway.domain.faults import Fault, pointer

DATA_FAULTS_MAX = 20
EFFECTIVE_PAST_MAX = timedelta(days=1)
"""An order may take effect from the day before: what is done in the evening is sent in the morning."""

EFFECTIVE_AHEAD_MAX = timedelta(days=366)

OUTSIDE: dict[str, type[Payload]] = {
    payload.wire_type: payload
    for payload in (
        OrderPlaced,
        OrderCancelRequested,
        UsageRecorded,
        HeartbeatReceived,
        IncidentReported,
        AcknowledgementGiven,
        ResolutionGiven,
    )
}
"""The event types that may come from outside."""


@dataclass(frozen=True, slots=True)
class Typed:
    """An event whose envelope and data are sound; what it claims is not yet checked."""

    incoming: Incoming
    time: datetime
    data: Payload
    subject: str

    @property
    def name(self) -> tuple[str, str]:
        """Source and id: what the sender knows it by."""
        return self.incoming.attributes["source"], self.incoming.attributes["id"]


def read(incoming: Incoming) -> Typed | list[Fault]:
    """Check an event by itself: type, time, data, subject. Whether its times are near enough, `too_far` says."""
    payload = OUTSIDE.get(incoming.attributes["type"])
    if payload is None:
        return [
            Fault(
                incoming.index,
                "/type",
                Reason.UNKNOWN_TYPE,
                "no such event type may come from outside",
            )
        ]
    faults: list[Fault] = []
    time: datetime | None = None
    try:
        time = read_instant(incoming.attributes["time"])
    except ValueError as error:
        faults.append(Fault(incoming.index, "/time", Reason.BAD_TIME, str(error)))
    data: Payload | None = None
    try:
        data = payload.model_validate_json(incoming.raw, extra="forbid")
    except ValidationError as error:
        faults += _data_faults(incoming.index, error)
    if data is None:
        return faults
    subject, subject_faults = _subject(incoming, data)
    faults += subject_faults
    return faults if faults or time is None else Typed(incoming, time, _normalised(data), subject)


def too_far(typed: Typed, now: datetime) -> list[Fault]:
    """What is wrong with the times of an event, as seen from an instant."""
    faults = list(_time_faults(typed.incoming, typed.time, now))
    if isinstance(typed.data, OrderPlaced):
        faults += _effective_faults(typed.incoming.index, typed.data, now)
    return faults


def _time_faults(incoming: Incoming, time: datetime, now: datetime) -> Iterator[Fault]:
    if time > now + EARLY_MAX:
        yield Fault(
            incoming.index,
            "/time",
            Reason.TIME_IN_FUTURE,
            f"at most {EARLY_MAX // timedelta(minutes=1)} minutes ahead",
        )
    if time < now - LATE_MAX:
        yield Fault(
            incoming.index, "/time", Reason.TIME_TOO_OLD, f"at most {LATE_MAX.days} days ago"
        )


def _data_faults(index: int, error: ValidationError) -> list[Fault]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        Fault(
            index,
            pointer("data", *fault["loc"]),
            Reason.BAD_DATA,
            fault["msg"].removeprefix("Value error, "),
        )
        for fault in found[:DATA_FAULTS_MAX]
    ]


def _effective_faults(index: int, order: OrderPlaced, now: datetime) -> Iterator[Fault]:
    at = order.effective_at
    if at is None:
        return
    if at < now - EARLY_MAX and any(item.action in OF_STATE for item in order.items):
        said = "a service is suspended, resumed or ended from now on, or later"
        yield Fault(index, "/data/effective_at", Reason.END_IN_PAST, said)
    elif not now - EFFECTIVE_PAST_MAX <= at <= now + EFFECTIVE_AHEAD_MAX:
        yield Fault(index, "/data/effective_at", Reason.BAD_TIME, "from a day ago to a year ahead")


def vat_number(details: TenantDetails) -> str:
    """The firm's Partita IVA, eleven digits. Raises `ValueError`; `00000000000` passes its checksum and is none."""
    try:
        return str(iva.validate(details.partita_iva))
    except BadNumber:
        raise ValueError("not a valid Partita IVA") from None


def _normalised(data: Payload) -> Payload:
    """Orders carry the bare number, whatever prefix it came with."""
    if isinstance(data, OrderPlaced) and data.tenant is not None:
        tenant = data.tenant.model_copy(update={"partita_iva": vat_number(data.tenant)})
        return data.model_copy(update={"tenant": tenant})
    return data


def _subject(incoming: Incoming, data: Payload) -> tuple[str, list[Fault]]:
    """The tenant an event is about; a first order may leave it to the VAT number."""
    said = incoming.attributes.get("subject", "")
    if not isinstance(data, OrderPlaced) or data.tenant is None:
        missing = Fault(
            incoming.index, "/subject", Reason.SUBJECT_MISSING, "subject must name the tenant"
        )
        return said, [] if said else [missing]
    try:
        owner = identity.tenant_id("IT", vat_number(data.tenant))
    except ValueError as error:
        return said, [
            Fault(incoming.index, "/data/tenant/partita_iva", Reason.BAD_PARTITA_IVA, str(error))
        ]
    if said and said != owner:
        return said, [
            Fault(
                incoming.index,
                "/subject",
                Reason.SUBJECT_MISMATCH,
                "subject is not this firm's tenant",
            )
        ]
    return owner, []
