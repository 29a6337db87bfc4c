"""Signals: signs of life, reported trouble, and what a reseller answers to an alert."""

from enum import StrEnum
from typing import Annotated

from schemas.envelope import Payload
from schemas.persons import Personal
from schemas.scalars import Instant, ShortText, Text, Uuid
from schemas.topics import SIGNALS


class Severity(StrEnum):
    """How urgent trouble is; the support tier's calendar turns it into deadlines."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class HeartbeatReceived(Payload, type="vicino.heartbeat.received.v1", topic=SIGNALS):
    """A service instance reports that it is alive. The first heartbeat starts its timer."""

    service_id: Uuid


class IncidentReported(Payload, type="vicino.incident.reported.v1", topic=SIGNALS):
    """Somebody reports trouble with a service instance."""

    service_id: Uuid
    severity: Severity
    summary: Text
    """What is wrong, for everybody who is notified: it names no person."""


class AcknowledgementGiven(Payload, type="vicino.acknowledgement.given.v1", topic=SIGNALS):
    """The reseller says: seen, we are on it."""

    alert_id: Uuid
    by: Annotated[ShortText, Personal(None)]
    """Who, in the sender's words. On topics: the sender's id."""


class ResolutionGiven(Payload, type="vicino.resolution.given.v1", topic=SIGNALS):
    """The reseller says: solved."""

    alert_id: Uuid
    by: Annotated[ShortText, Personal(None)]
    note: Annotated[Text, Personal("")] = ""


class DoorPulsed(Payload, type="vicino.door.pulsed.v1", topic=SIGNALS):
    """The door was open, up to the time of this event. Its subject is no tenant, but one of the names that spread pulses
    over all partitions: beats take the same way, so that their absence means something only if pulses came."""

    open_since: Instant
    """From when on this copy of the door could let everything in."""
