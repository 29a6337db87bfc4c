"""What a usage event must carry, a quantity or a value, as far as its measured name alone says so."""

from collections.abc import Collection

from schemas.catalogue import Aggregation, Meter

ANYTHING = "anything"
KINDS = ("quantity", "value")


def need_of(meter: Meter) -> str:
    """What events must carry for a meter: `quantity` or `value`; `anything` where it depends on the event, or on nothing."""
    looks_closer = bool(meter.filter) or meter.aggregation is Aggregation.COUNT
    return meter.measures if meter.measures in KINDS and not looks_closer else ANYTHING


def is_wrong_kind(is_quantity: bool, needs: Collection[str]) -> bool:
    """Whether no definition that ever read the name could count the event. Nothing known: nothing is wrong."""
    other = "value" if is_quantity else "quantity"
    return bool(needs) and all(need == other for need in needs)
