"""Why an event is refused: stable codes, one sentence each, and the HTTP status they lead to."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.reasons import Reason

MIXED_STATUS = 422
"""The status of a refusal whose faults lead to different ones."""

POINTER_PART_LENGTH_MAX = 60
FAULTS_MAX = 100
"""How many faults of a request are listed, and kept."""


class Meaning(NamedTuple):
    """What a reason code says."""

    status: int
    sentence: str


MEANINGS = {
    Reason.NOT_JSON: Meaning(400, "The body is not one JSON document in UTF-8."),
    Reason.TOO_LARGE: Meaning(
        413, "The body, or the data of one event, has more bytes than a door takes."
    ),
    Reason.TOO_DEEP: Meaning(400, "The JSON is nested deeper than a door follows."),
    Reason.TOO_MANY: Meaning(413, "The batch has more events than a door takes at once."),
    Reason.BAD_CONTENT_TYPE: Meaning(
        415, "The content type, charset or encoding is none of CloudEvents over HTTP."
    ),
    Reason.BAD_ENVELOPE: Meaning(
        400, "An attribute of the CloudEvent is missing, misnamed, reserved or too long."
    ),
    Reason.BAD_TEXT: Meaning(
        422, "Text holds NUL, a Unicode non-character, or a control character in an attribute."
    ),
    Reason.UNKNOWN_TYPE: Meaning(422, "No event of this type and version may come from outside."),
    Reason.BAD_TIME: Meaning(
        422, "A time is not RFC 3339 with a zone, or an order would take effect too far off."
    ),
    Reason.TIME_IN_FUTURE: Meaning(
        422, "The event's time is more than five minutes ahead of the door's clock."
    ),
    Reason.TIME_TOO_OLD: Meaning(422, "The event's time lies more than thirty-five days back."),
    Reason.BAD_DATA: Meaning(
        422, "The data do not fit the schema of the event's type, or hold an unknown field."
    ),
    Reason.BAD_PARTITA_IVA: Meaning(422, "The VAT number is none that an Italian firm can have."),
    Reason.SUBJECT_MISSING: Meaning(422, "The event does not name its tenant as subject."),
    Reason.SUBJECT_MISMATCH: Meaning(
        422, "The subject is not the tenant of the VAT number in the order."
    ),
    Reason.WRONG_TENANT: Meaning(403, "The sender serves no such tenant."),
    Reason.UNKNOWN_PARAMETER: Meaning(422, "This path has no such query parameter."),
    Reason.UNKNOWN_SKU: Meaning(422, "The SKU is not on sale."),
    Reason.UNKNOWN_SERVICE: Meaning(422, "The tenant has no such service instance."),
    Reason.UNKNOWN_METER: Meaning(422, "The plan of the service neither sells nor meters this."),
    Reason.UNKNOWN_RESELLER: Meaning(422, "There is no such reseller."),
    Reason.WRONG_VALUE: Meaning(422, "The meter takes a quantity, or a value, and got the other."),
    Reason.UNKNOWN_ALERT: Meaning(422, "The tenant has no such alert."),
    Reason.RETROACTIVE: Meaning(422, "It would begin before the one that is in force already."),
    Reason.NOT_ALLOWED: Meaning(403, "This kind of sender may not say this."),
    Reason.ENDED: Meaning(409, "The service has ended by the time that the event is about."),
    Reason.END_IN_PAST: Meaning(422, "A service cannot end before it is ordered to."),
    Reason.ASSIGNMENT_NEEDED: Meaning(
        422, "The tenant has no reseller that it could be moved from: choose one."
    ),
    Reason.ALREADY_ASSIGNED: Meaning(409, "A reseller serves this tenant already."),
    Reason.ID_REUSE: Meaning(
        409, "An order with this source and id came before, with other content."
    ),
}
"""The reasons of the doors: the status each leads to, and what it says."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one event: where, why, and a sentence that never repeats the input."""

    index: int
    pointer: str
    reason: Reason
    detail: str


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901). Parts may be the sender's own words, so each is cut to a sane length."""
    return "".join(f"/{_escaped(str(part))}" for part in parts)


def _escaped(part: str) -> str:
    return part[:POINTER_PART_LENGTH_MAX].replace("~", "~0").replace("/", "~1")


@dataclass(slots=True)
class Faults:
    """What is wrong with a request: the first faults, and how many there are of each reason. An answer stays small."""

    first: list[Fault] = field(default_factory=list)
    counts: Counter[Reason] = field(default_factory=Counter)

    def add(self, found: Iterable[Fault]) -> None:
        """Count faults, and keep those that there is room for."""
        for fault in found:
            self.counts[fault.reason] += 1
            if len(self.first) < FAULTS_MAX:
                self.first.append(fault)

    def merge(self, other: "Faults") -> None:
        """Count what was found elsewhere."""
        self.counts.update(other.counts)
        self.first = [*self.first, *other.first][:FAULTS_MAX]

    def __bool__(self) -> bool:
        return bool(self.counts)


class Refused(Exception):
    """A request is refused whole: with its first faults, in the order of its events, and the number of all."""

    def __init__(self, faults: Sequence[Fault] | Faults) -> None:
        if not isinstance(faults, Faults):
            found, faults = faults, Faults()
            faults.add(found)
        super().__init__(", ".join(sorted(faults.counts)))
        self.faults = sorted(faults.first, key=lambda fault: fault.index)
        self.found = faults

    @property
    def total(self) -> int:
        """How many faults there are."""
        return self.found.counts.total()

    @property
    def status(self) -> int:
        """The status of the answer: that of all faults when they agree."""
        statuses = {MEANINGS[reason].status for reason in self.found.counts}
        return statuses.pop() if len(statuses) == 1 else MIXED_STATUS
