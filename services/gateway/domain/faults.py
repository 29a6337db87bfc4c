"""Why an event is refused: stable codes, one sentence each, and the HTTP status they lead to."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Reason codes of refusals. Senders program against them: they never change their meaning."""

    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_MANY = "too_many"
    BAD_CONTENT_TYPE = "bad_content_type"
    BAD_ENVELOPE = "bad_envelope"
    BAD_TEXT = "bad_text"
    UNKNOWN_TYPE = "unknown_type"
    BAD_TIME = "bad_time"
    TIME_IN_FUTURE = "time_in_future"
    TIME_TOO_OLD = "time_too_old"
    BAD_DATA = "bad_data"
    BAD_PARTITA_IVA = "bad_partita_iva"
    SUBJECT_MISSING = "subject_missing"
    SUBJECT_MISMATCH = "subject_mismatch"
    WRONG_TENANT = "wrong_tenant"
    UNKNOWN_SKU = "unknown_sku"
    UNKNOWN_SERVICE = "unknown_service"
    UNKNOWN_METER = "unknown_meter"
    NOT_ALLOWED = "not_allowed"
    ID_REUSE = "id_reuse"


STATUS = {
    Reason.NOT_JSON: 400,
    Reason.BAD_ENVELOPE: 400,
    Reason.TOO_LARGE: 413,
    Reason.TOO_MANY: 413,
    Reason.TOO_DEEP: 400,
    Reason.BAD_CONTENT_TYPE: 415,
    Reason.WRONG_TENANT: 403,
    Reason.NOT_ALLOWED: 403,
    Reason.ID_REUSE: 409,
}
"""Everything else is 422: understood, and wrong."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one event: where, why, and a sentence that never repeats the input."""

    index: int
    pointer: str
    reason: Reason
    detail: str


def status_of(faults: Sequence[Fault]) -> int:
    """The status of a refusal: that of its faults when they agree, else 422."""
    found = {STATUS.get(fault.reason, 422) for fault in faults}
    return found.pop() if len(found) == 1 else 422


class Refused(Exception):
    """A request is refused whole, with every fault that was found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(", ".join(fault.reason for fault in faults))
        self.faults = list(faults)
