"""A message that repeats itself is written once, then counted; no other message is lost behind it."""

import gc
import io
import logging
import threading
import time
from collections.abc import Iterator

import pytest
import structlog

from services.chassis import log_repeats
from services.chassis.log_repeats import OURS, Repeats

WINDOW_SECONDS = 0.15


class Log:
    """A logger with the filter on its handler, and what was written."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.repeats = Repeats(self.handler, WINDOW_SECONDS)
        self.handler.addFilter(self.repeats)
        self.loggers = {name: logging.Logger(name) for name in ("aiokafka", f"{OURS}chassis")}
        for one in self.loggers.values():
            one.addHandler(self.handler)

    @property
    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()

    def after_window(self, n: int) -> list[str]:
        """The lines once there are `n` of them; the filter's own timer writes the counts."""
        until = time.monotonic() + 10
        while len(self.lines) < n:
            assert time.monotonic() < until, f"waited for {n} lines, there are {self.lines}"
            time.sleep(0.01)
        return self.lines


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.repeats.flush(all_of_them=True)


@pytest.mark.parametrize("name", ["aiokafka", f"{OURS}chassis"])
def test_a_repeated_message_is_written_once_and_then_counted(log: Log, name: str) -> None:
    for n in range(500):
        log.loggers[name].warning("cannot reach 127.0.0.1:%d, request %s", 40_000 + n, f"{n:032x}")
    assert len(log.lines) == 1
    assert log.after_window(2)[1].endswith("(repeated 499 times in 0 s)")


def test_different_messages_are_all_written_while_one_repeats(log: Log) -> None:
    own = log.loggers[f"{OURS}chassis"]
    for word in ("lease", "relay", "commit", "lag"):
        for _ in range(50):
            own.warning("cannot reach kafka")
            own.error("%s failed", word)
    assert [line for line in log.lines if "failed" in line] == [
        f"{w} failed" for w in ("lease", "relay", "commit", "lag")
    ]


def test_each_of_our_own_facts_is_written(log: Log) -> None:
    for n in range(50):
        log.loggers[f"{OURS}chassis"].info("tenant %d assigned", n)
    assert len(log.lines) == 50


def test_what_was_held_back_is_counted_at_the_end_of_the_process(log: Log) -> None:
    for _ in range(3):
        log.loggers["aiokafka"].error("gone")
    log.repeats.flush(all_of_them=True)
    assert log.lines[0] == "gone"
    assert log.lines[1].startswith("gone (repeated 2 times")


def test_a_structured_message_keeps_its_fields_and_says_how_often_it_came(log: Log) -> None:
    own = structlog.wrap_logger(
        log.loggers[f"{OURS}chassis"], processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )  # fmt: skip
    for n in range(4):
        own.warning("cannot lease jobs", error="refused", attempt=n)
    log.repeats.flush(all_of_them=True)
    assert "'repeated': 3" in log.lines[1]
    assert "'attempt': 3" in log.lines[1]


def test_a_flood_of_different_messages_does_not_make_the_filter_grow(log: Log) -> None:
    for n in range(5_000):
        log.loggers["aiokafka"].error("%s", "".join(chr(ord("a") + int(digit)) for digit in str(n)))
    assert len(log.lines) == 5_000
    assert len(log.repeats._windows) <= 1_000


class Unclosed:
    """What says so when it is removed, as clients do that nobody closed."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._itself = self  # only the collector finds it

    def __del__(self) -> None:
        self._logger.warning("not closed")


@pytest.mark.parametrize("at", ["_sameness", "_Window", "_counted"])
def test_what_the_collector_removes_while_the_account_is_kept_stops_nobody(
    log: Log, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector may run wherever memory is asked for: here it runs inside the filter."""
    of_aiokafka, called = log.loggers["aiokafka"], getattr(log_repeats, at)

    def collecting(*args: object) -> object:
        Unclosed(of_aiokafka)
        gc.collect()
        return called(*args)

    def write() -> None:
        for _ in range(3):
            of_aiokafka.error("gone")
        log.repeats.flush(all_of_them=True)

    monkeypatch.setattr(log_repeats, at, collecting)
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    writer.join(5)
    assert not writer.is_alive(), "the writer waits for itself"
    assert "gone" in log.lines
    assert "not closed" in log.lines
