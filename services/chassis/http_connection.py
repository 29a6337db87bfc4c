"""An HTTP connection that waits for nobody for ever, and resets nobody who is still speaking.

uvicorn's own (over h11), with these things mended: a request must have arrived whole within a time, its head included;
a connection that has said nothing yet ends soon; an answer must be read, or the connection is aborted; connections are
bounded, in all and by address; a body with two lengths and what is no HTTP are answered with problem+json like every
refusal; and a connection is not closed before its other end has heard so.
"""

import asyncio
import sys
from collections import Counter, defaultdict
from http import HTTPStatus
from typing import Any, cast
from weakref import WeakKeyDictionary

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from services.chassis import metrics
from services.chassis.web import Problem

ARRIVAL_SECONDS = 30.0
"""For a request to arrive, head and body; also for the rest of a body that was answered unread."""

SILENT_SECONDS = 30.0
"""For the first byte of a new connection. Between requests it may be idle much longer."""

UNREAD_SECONDS = 30.0
"""For the other end to read on: within this time it takes `READ_BYTES_MIN` of what waits for it, or all."""

READ_BYTES_MIN = 16 * 1024
LINGER_SECONDS = 5.0

CONNECTIONS_MAX = 4096
CONNECTIONS_PER_ADDRESS_MAX = 256

MAX_HEAD_BYTES = 64 * 1024
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)

INSIDE_CONNECTIONS_MAX = 64
"""Of the inside's port, which has places of its own: who fills the public one does not blind those who watch."""

_present: "WeakKeyDictionary[ServerState, defaultdict[int, Counter[str]]]" = WeakKeyDictionary()
"""Connections of a server, by its port, then by address."""


class _Lingering:
    """A transport whose `close` first says goodbye, and reads on until the other end has closed too, or for a while.

    Closed at once, with bytes unread, the kernel would answer the sender with a reset, and the sender never see the
    answer that says why.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._is_closing = transport, False
        self._unread_clock: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        """Write, and see to it that it is read."""
        self._transport.write(data)
        if self._unread_clock is None and (waiting := self._transport.get_write_buffer_size()):
            self._watch_reading(waiting)

    def _watch_reading(self, waiting: int) -> None:
        loop = asyncio.get_running_loop()
        self._unread_clock = loop.call_later(UNREAD_SECONDS, self._has_read, waiting)

    def _has_read(self, before: int) -> None:
        self._unread_clock = None
        waiting = self._transport.get_write_buffer_size()
        if waiting > before - READ_BYTES_MIN and waiting > 0:
            metrics.CONNECTIONS_ENDED.labels("unread").inc()
            self._transport.abort()
        elif waiting:
            self._watch_reading(waiting)

    def forget(self) -> None:
        """The connection is gone: stop the clock."""
        if self._unread_clock is not None:
            self._unread_clock.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._is_closing or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        self._is_closing = True
        try:
            self._transport.write_eof()
        except OSError:  # the other end is gone already
            self._transport.abort()
            return
        self._transport.resume_reading()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.close)


class _OneLength(h11.Connection):
    """HTTP/1.1 whose requests say once how long their body is: two answers are how requests are smuggled (RFC 9112, 6.3)."""

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {bytes(name) for name, _ in event.headers}
            if {b"transfer-encoding", b"content-length"} <= names:
                raise h11.RemoteProtocolError(
                    "both Transfer-Encoding and Content-Length", error_status_hint=400
                )
        return event


class HttpConfig(uvicorn.Config):
    """A server's configuration with how many connections it holds. Addresses in `unbounded` are proxies."""

    connections_max = CONNECTIONS_MAX
    connections_per_address_max = CONNECTIONS_PER_ADDRESS_MAX
    unbounded: frozenset[str] = frozenset()
    inside_port: int | None = None


class Connection(H11Protocol):
    """One connection of a client."""

    _deadline: asyncio.TimerHandle | None = None
    _has_spoken = False
    _counted: str | None = None
    _is_refused = False

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.conn = _OneLength(
            h11.SERVER, self.config.h11_max_incomplete_event_size or MAX_HEAD_BYTES
        )

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there."""
        super().connection_made(cast(asyncio.Transport, _Lingering(transport)))
        if reason := self._count():
            metrics.CONNECTIONS_REFUSED.labels(reason).inc()
            self._is_refused = True
            transport.write(BUSY)
            transport.close()  # at once: who lingers would take the place that is missing
            return
        self._watch()

    def _count(self) -> str | None:
        """Take a place; returns why there is none."""
        limits = self.config if isinstance(self.config, HttpConfig) else HttpConfig
        present = self._neighbours()
        self._counted = self.client[0] if self.client else ""
        present[self._counted] += 1
        metrics.CONNECTIONS.inc()
        if self._port() == limits.inside_port:
            return "inside" if present.total() > INSIDE_CONNECTIONS_MAX else None
        if present.total() > limits.connections_max:
            return "all"
        if (
            self._counted not in limits.unbounded
            and present[self._counted] > limits.connections_per_address_max
        ):
            return "address"
        return None

    def _port(self) -> int | None:
        return self.server[1] if self.server else None

    def _neighbours(self) -> "Counter[str]":
        """The connections of the same port, by address."""
        return _present.setdefault(self.server_state, defaultdict(Counter))[self._port() or 0]

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._unset_deadline()
        cast(_Lingering, self.transport).forget()
        if self._counted is not None:
            present = self._neighbours()
            present[self._counted] -= 1
            if present[self._counted] <= 0:
                del present[self._counted]
            metrics.CONNECTIONS.dec()
            self._counted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something of a request came."""
        if self._is_refused or self.transport.is_closing():
            return
        if not self._has_spoken:
            self._has_spoken = True
            self._unset_deadline()
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """A request is answered, whether or not all of it has come."""
        super().on_response_complete()
        self._watch()

    def shutdown(self) -> None:
        """The service stops."""
        if not self.transport.is_closing():
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP. Called while the parser's error is handled."""
        error = sys.exception()
        status = HTTPStatus(
            error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        )
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = Problem(status, status.phrase, msg, headers={"Connection": "close"}).response()
            head = h11.Response(
                status_code=status, reason=status.phrase.encode(), headers=answer.raw_headers
            )
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        self._end()

    def _watch(self) -> None:
        """Set the clock for what this connection is waiting for."""
        if self.transport.is_closing():
            self._unset_deadline()
            return
        is_between = self.conn.their_state is h11.IDLE
        has_begun = is_between and bool(self.conn.trailing_data[0])
        if has_begun or self.conn.their_state is h11.SEND_BODY:
            self._deadline = self._deadline or self.loop.call_later(
                ARRIVAL_SECONDS, self._end_of, "arrival"
            )
            return
        self._unset_deadline()
        if not self._has_spoken:
            seconds = min(SILENT_SECONDS, self.timeout_keep_alive)
            self._deadline = self.loop.call_later(seconds, self._end_of, "silent")
            return
        if is_between and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self._end)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_of(self, reason: str) -> None:
        metrics.CONNECTIONS_ENDED.labels(reason).inc()
        self._end()

    def _end(self) -> None:
        """Close, and release whoever still waits for more of a request."""
        self.transport.close()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
