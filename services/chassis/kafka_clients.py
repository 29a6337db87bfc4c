"""What aiokafka's clients lack: a closed transport is a connection error, a dead task is noticed, attempts become rarer.

uvloop raises a plain `RuntimeError` when a closed transport is written to, where asyncio drops the bytes. aiokafka
expects `OSError` there, so the error ended the background task that happened to write, and the client stood still for
ever. `install` turns it into a connection error. `dead_tasks` finds background tasks that ended for any other reason:
whoever owns the client replaces it then.

A client asks for a connection from several loops, each every 100 ms, and every failure asks for news of the brokers, which
needs a connection. Where a broker accepts and closes at once this made a thousand attempts a second. So the attempts
of a client to reach one broker wait for each other, longer after each failure.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

from services.chassis.backoff import Backoff

WRITERS = ("send", "_send_sasl_token")
"""The methods of a connection that write to its transport."""

RECONNECT = Backoff(first_seconds=0.1, max_seconds=1.0)
"""Between attempts of a client to reach one broker. Short, because it adds to the time of a recovery."""

CALLERS_WAIT_SECONDS = 0.1
STEADY_SECONDS = 5.0
"""An attempt that comes so long after the one before is a first one again."""

LIFELONG = frozenset({"metadata", "sender", "fetch", "coordination"})
"""Tasks that run as long as their client. The others end with each generation of a group."""


def install() -> None:
    """Let every client of this process see a write to a closed transport as a broken connection. Safe to repeat."""
    for name in WRITERS:
        original = getattr(AIOKafkaConnection, name)
        if not hasattr(original, "closes_on_error"):
            setattr(AIOKafkaConnection, name, _closing(original))
    if not hasattr(AIOKafkaClient._get_conn, "is_patient"):
        AIOKafkaClient._get_conn = _patient(AIOKafkaClient._get_conn)


def _closing(write: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return write(self, *args, **kwargs)
        except KafkaError:  # is a RuntimeError too
            raise
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(
                f"the connection to {self.host}:{self.port} broke: {error}"
            ) from error

    guarded.closes_on_error = True  # type: ignore[attr-defined]
    return guarded


class _Pauses:
    """When each connection of one client may be tried again. Seconds are monotonic."""

    def __init__(self) -> None:
        self._failures: dict[Any, int] = {}
        self._ended_at: dict[Any, float] = {}
        self._not_before: dict[Any, float] = {}

    def seconds_left(self, name: Any) -> float:
        """How long a connection must not be tried yet; 0 when it may be."""
        return max(0.0, self._not_before.get(name, 0.0) - time.monotonic())

    def attempted(self, name: Any) -> None:
        """An attempt has ended, well or not: the next one follows soon only if this one proves to be steady."""
        now = time.monotonic()
        was_steady = now - self._ended_at.get(name, 0.0) > STEADY_SECONDS
        failures = self._failures[name] = 1 if was_steady else self._failures.get(name, 0) + 1
        self._ended_at[name], self._not_before[name] = now, now + RECONNECT.seconds(failures)


def _patient(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a new connection for a while after an attempt: the caller tries again, as it does for any failure."""
    known: WeakKeyDictionary[AIOKafkaClient, _Pauses] = WeakKeyDictionary()

    async def guarded(self: AIOKafkaClient, node_id: Any, **options: Any) -> Any:
        name = (node_id, options.get("group", ConnectionGroup.DEFAULT))
        if (found := self._conns.get(name)) is not None and found.connected():
            return found
        pauses = known.setdefault(self, _Pauses())
        if left := pauses.seconds_left(name):
            # Else a caller that does not wait itself runs hot.
            await asyncio.sleep(min(left, CALLERS_WAIT_SECONDS))
            if pauses.seconds_left(name):
                return None
        try:
            return await connect(self, node_id, **options)
        finally:
            pauses.attempted(name)

    guarded.is_patient = True  # type: ignore[attr-defined]
    return guarded


def dead_tasks(client: AIOKafkaConsumer | AIOKafkaProducer) -> list[str]:
    """The background tasks of a client that have ended, with why; empty while all work, and before they have begun."""
    return [
        f"{name}: {why}"
        for name, task in _tasks(client)
        if (why := _ending(name in LIFELONG, task))
    ]


def _tasks(
    client: AIOKafkaConsumer | AIOKafkaProducer,
) -> Iterator[tuple[str, "asyncio.Task[Any] | None"]]:
    if isinstance(client, AIOKafkaProducer):
        yield "metadata", client.client._sync_task
        yield "sender", client._sender.sender_task
        return
    coordinator = client._coordinator
    yield "metadata", client._client._sync_task
    # A client that is being started has no fetcher yet.
    yield (
        "fetch",
        getattr(client._fetcher, "_fetch_task", None),
    )
    for name in ("coordination", "heartbeat", "commit_refresh", "reset_committed"):
        yield name, getattr(coordinator, f"_{name}_task", None)


def _ending(must_run: bool, task: "asyncio.Task[Any] | None") -> str:
    """Why a task is dead; empty when it works, or has ended as it should."""
    if task is None or not task.done():
        return ""
    if task.cancelled():
        return "cancelled" if must_run else ""
    if error := task.exception():
        return type(error).__name__
    return "ended" if must_run else ""
