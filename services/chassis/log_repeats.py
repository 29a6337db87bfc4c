"""A message that repeats itself is written once, then counted: an outage must not fill the disk, nor hide other messages.

Two messages are the same when only numbers and ids in them differ. The first one is written at once. Those that follow
within `WINDOW_SECONDS` are held back; when the time is over, the last of them is written with how many there were.
"""

import copy
import logging
import re
import threading
import time
from dataclasses import dataclass
from typing import Any

WINDOW_SECONDS = 10.0
KEYS_MAX = 1_000
"""Different messages that are remembered; more of them within one window are written without being counted."""

OURS = "services."
TEXT_LENGTH_MAX = 300
"""Of a message, as far as it decides whether two are the same."""

_VARYING = re.compile(r"\b[0-9a-f]{8,}\b|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\d+")


@dataclass(slots=True)
class _Window:
    """The time since a message was last written."""

    ends_at: float
    held_back: int = 0
    last: logging.LogRecord | None = None


class Repeats(logging.Filter):
    """Holds back what a handler has just written, from warnings up; below, only what libraries write.

    Our own messages below a warning are single facts, such as a tenant's assignment.
    """

    def __init__(self, handler: logging.Handler, window_seconds: float = WINDOW_SECONDS) -> None:
        super().__init__()
        self._handler, self._window_seconds = handler, window_seconds
        self._windows: dict[tuple[str, int, str], _Window] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written now."""
        if record.levelno < logging.WARNING and record.name.startswith(OURS):
            return True
        # A message never waits for the account. Its holder may be this very thread: memory asked for here can run the
        # garbage collector, and what that removes may log ("not closed"). Such a message is written uncounted.
        if not self._lock.acquire(blocking=False):
            return True
        try:
            return self._is_first(record)
        finally:
            self._lock.release()

    def _is_first(self, record: logging.LogRecord) -> bool:
        """Whether it begins a window; else it is held back. Called with the lock."""
        now, key = time.monotonic(), (record.name, record.levelno, _sameness(record))
        window = self._windows.get(key)
        if window is None or (now >= window.ends_at and not window.held_back):
            if window is not None or len(self._windows) < KEYS_MAX:
                self._windows[key] = _Window(now + self._window_seconds)
                self._wake()
            return True
        window.held_back += 1
        window.last = record
        return False

    def flush(self, *, all_of_them: bool = False) -> None:
        """Write how often each message was held back whose time is over, or of all of them at the end of a process."""
        now, due = time.monotonic(), []
        with self._lock:
            for key, window in list(self._windows.items()):
                if now < window.ends_at and not all_of_them:
                    continue
                if window.last is None:
                    del self._windows[key]
                    continue
                due.append(_counted(window.last, window.held_back, self._window_seconds))
                self._windows[key] = _Window(now + self._window_seconds)
        for record in due:
            self._write(record)

    def _write(self, record: logging.LogRecord) -> None:
        """Past this filter, which would hold it back."""
        with self._handler.lock or threading.Lock():
            self._handler.emit(record)

    def _wake(self) -> None:
        """Look once more when the window is over; called with the lock."""
        if self._timer is None:
            self._timer = threading.Timer(self._window_seconds, self._tick)
            self._timer.daemon = True
            self._timer.start()

    def _tick(self) -> None:
        self.flush()
        with self._lock:
            self._timer = None
            if self._windows:
                self._wake()


def _sameness(record: logging.LogRecord) -> str:
    """What two records have in common that say the same."""
    if isinstance(record.msg, dict):  # structlog's
        details = {
            name: value for name, value in record.msg.items() if name not in ("event", "timestamp")
        }
        text = f"{record.msg.get('event')} {details}"
    else:
        text = record.getMessage()
    return _VARYING.sub("#", text[:TEXT_LENGTH_MAX])


def _counted(record: logging.LogRecord, times: int, seconds: float) -> logging.LogRecord:
    """The record with how often it came."""
    counted = copy.copy(record)
    more: dict[str, Any] = {"repeated": times, "within_seconds": seconds}
    if isinstance(record.msg, dict):
        counted.msg = {**record.msg, **more}
    else:
        counted.msg, counted.args = (
            f"{record.getMessage()} (repeated {times} times in {seconds:.0f} s)",
            (),
        )
    return counted
