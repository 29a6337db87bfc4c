"""Every reason code: why an event was refused, why an order waits for a person, and why it ended.

Senders and operators program against the codes. A code never changes its meaning, at the doors and behind them alike.
"""

from enum import StrEnum


class Reason(StrEnum):
    """A stable code. The doors add a status and a sentence to theirs (`services/gateway/domain/faults.py`)."""

    # A request, or a record, cannot be read.
    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_MANY = "too_many"
    BAD_CONTENT_TYPE = "bad_content_type"
    BAD_ENVELOPE = "bad_envelope"
    BAD_TEXT = "bad_text"
    BAD_TIME = "bad_time"
    BAD_DATA = "bad_data"
    BAD_PARTITA_IVA = "bad_partita_iva"
    SUBJECT_MISSING = "subject_missing"
    SUBJECT_MISMATCH = "subject_mismatch"
    UNKNOWN_TYPE = "unknown_type"

    # It names what does not exist.
    UNKNOWN_ALERT = "unknown_alert"
    UNKNOWN_METER = "unknown_meter"
    UNKNOWN_PARAMETER = "unknown_parameter"
    UNKNOWN_ORDER = "unknown_order"
    UNKNOWN_PLACE = "unknown_place"
    UNKNOWN_QUANTITY = "unknown_quantity"
    UNKNOWN_RESELLER = "unknown_reseller"
    UNKNOWN_SERVICE = "unknown_service"
    UNKNOWN_SKU = "unknown_sku"
    UNKNOWN_TENANT = "unknown_tenant"
    NO_SUCH_USAGE = "no_such_usage"

    # The sender may not say it.
    NOT_ALLOWED = "not_allowed"
    NOT_YOURS = "not_yours"
    WRONG_TENANT = "wrong_tenant"

    # It comes too early, too late, or a second time.
    BEFORE_ACTIVATION = "before_activation"
    TIME_IN_FUTURE = "time_in_future"
    TIME_TOO_OLD = "time_too_old"
    ENDED = "ended"
    END_IN_PAST = "end_in_past"
    TOO_LATE = "too_late"
    ID_REUSE = "id_reuse"

    # It asks for what cannot be done.
    ALREADY_ASSIGNED = "already_assigned"
    ASSIGNMENT_NEEDED = "assignment_needed"
    NOTHING_WAITS = "nothing_waits"
    ORDER_NOT_HELD = "order_not_held"
    QUANTITY_FIXED = "quantity_fixed"
    QUANTITY_NOT_WHOLE = "quantity_not_whole"
    WRONG_VALUE = "wrong_value"
    CAP_BELOW_FEES = "cap_below_fees"
    CAP_RANGE = "cap_range"
    CAP_REACHED = "cap_reached"
    METER_TWICE = "meter_twice"
    MINOR_UNIT = "minor_unit"
    CODE_TWICE = "code_twice"
    CURRENCY = "currency"
    DECIMALS = "decimals"
    PRICE_RANGE = "price_range"
    PRICE_OVERLAP = "price_overlap"
    SIZE = "size"
    TEXT = "text"
    TIERS = "tiers"
    RETROACTIVE = "retroactive"
    HANDLER_FAILED = "handler_failed"

    # Why an order waits, or how it ended.
    CANCELLED = "cancelled"
    CHANGE_FAILED = "change_failed"
    BACK_END_UNAVAILABLE = "back_end_unavailable"
    MANUAL_ASSIGNMENT = "assignment.manual_required"
    PROVISIONING_FAILED = "provisioning_failed"
    QUOTA_EXCEEDED = "quota_exceeded"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
