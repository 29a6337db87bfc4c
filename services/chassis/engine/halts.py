"""What stops a partition for good: going on would skip or double records in silence, so a person must decide."""

from services.chassis.store import Log


class LogTruncated(RuntimeError):
    """A log ends below what was already acted on: records may have been lost or written over. A person must decide."""

    def __init__(self, log: Log, next_offset: int, end: int) -> None:
        super().__init__(
            f"{log.topic}/{log.part} (log {log.log_id}) ends at {end}, but {next_offset} records were acted on: "
            "see docs/runbooks/VicinoPartitionHalted.md"
        )


class UnreadableBatch(RuntimeError):
    """A batch in the log cannot be unpacked or parsed, by anybody. A person must decide what becomes of it."""

    def __init__(self, log: Log, offset: int, error: Exception) -> None:
        super().__init__(
            f"{log.topic}/{log.part} (log {log.log_id}) cannot be read from offset {offset} on: {error!r}; "
            "see docs/runbooks/VicinoPartitionHalted.md"
        )
