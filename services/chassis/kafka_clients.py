"""What aiokafka's clients lack: a write to a closed transport is a connection error, and a dead task is noticed.

uvloop raises a plain `RuntimeError` when a closed transport is written to, where asyncio drops the bytes. aiokafka
expects `OSError` there, so the error ended the background task that happened to write, and the client stood still for
ever. `install` turns it into a connection error. `dead_tasks` finds background tasks that ended for any other reason:
whoever owns the client replaces it then.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

WRITERS = ("send", "_send_sasl_token")
"""The methods of a connection that write to its transport."""

LIFELONG = frozenset({"metadata", "sender", "fetch", "coordination"})
"""Tasks that run as long as their client. The others end with each generation of a group."""


def install() -> None:
    """Let every client of this process see a write to a closed transport as a broken connection. Safe to repeat."""
    for name in WRITERS:
        original = getattr(AIOKafkaConnection, name)
        if not hasattr(original, "closes_on_error"):
            setattr(AIOKafkaConnection, name, _closing(original))


def _closing(write: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return write(self, *args, **kwargs)
        except KafkaError:  # is a RuntimeError too
            raise
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"the connection to {self.host}:{self.port} broke: {error}") from error

    guarded.closes_on_error = True  # type: ignore[attr-defined]
    return guarded


def dead_tasks(client: AIOKafkaConsumer | AIOKafkaProducer) -> list[str]:
    """The background tasks of a client that have ended, with why; empty while all work, and before they have begun."""
    return [f"{name}: {why}" for name, task in _tasks(client) if (why := _ending(name in LIFELONG, task))]


def _tasks(client: AIOKafkaConsumer | AIOKafkaProducer) -> Iterator[tuple[str, "asyncio.Task[Any] | None"]]:
    if isinstance(client, AIOKafkaProducer):
        yield "metadata", client.client._sync_task
        yield "sender", client._sender.sender_task
        return
    coordinator = client._coordinator
    yield "metadata", client._client._sync_task
    yield "fetch", getattr(client._fetcher, "_fetch_task", None)  # a client that is being started has no fetcher yet
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
