"""What a fetched slice is worth, by comparing it with the database's offset. Pure."""

from enum import StrEnum


class FenceVerdict(StrEnum):
    """What to do with a slice."""

    TAKE = "take"
    """It begins where we stopped."""
    TRIM = "trim"
    """It begins below: the part we have acted on is cut off."""
    SKIP = "skip"
    """All of it was acted on: a redelivery."""
    GAP = "gap"
    """It begins above: records between were never seen here."""


def judge(next_offset: int, first: int, last: int) -> FenceVerdict:
    """Compare the next offset we want with a slice `[first, last]`, both inclusive."""
    if first > next_offset:
        return FenceVerdict.GAP
    if last < next_offset:
        return FenceVerdict.SKIP
    return FenceVerdict.TAKE if first == next_offset else FenceVerdict.TRIM
