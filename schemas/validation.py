"""Why a value that pydantic refuses is refused: the reason travels as the type of the error."""

from pydantic_core import PydanticCustomError

from schemas.reasons import Reason

_REASONS = frozenset(Reason)
_REASONS_OF_FIELDS = {
    "currency": Reason.CURRENCY,
    "decimals": Reason.DECIMALS,
    "tiers": Reason.TIERS,
}
_LENGTHS = ("string_too_short", "string_too_long")


def broken(reason: Reason, message: str) -> PydanticCustomError:
    """What a validator raises for a rule with a reason of its own: `reason_of` returns it."""
    return PydanticCustomError(reason.value, "{message}", {"message": message})


def reason_of(kind: str, field: str) -> Reason:
    """The reason of a validation error, by pydantic's type of it and the name of the field."""
    if kind in _REASONS:
        return Reason(kind)
    if field in _REASONS_OF_FIELDS:
        return _REASONS_OF_FIELDS[field]
    return Reason.TEXT if kind in _LENGTHS else Reason.BAD_DATA
