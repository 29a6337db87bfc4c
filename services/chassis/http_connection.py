"""An HTTP connection that waits for nobody for ever, and resets nobody who is still speaking.

uvicorn's own (over httptools), with these things mended: a request must have arrived whole within a time, its head included;
a connection that has said nothing yet ends soon; an answer must be read, or the connection is aborted; connections are
bounded, in all and by address; a body with two lengths and what is no HTTP are answered with problem+json like every
refusal; and a connection is not closed before its other end has heard so.
"""

import asyncio
import re
from collections import Counter, defaultdict
from http import HTTPStatus
from typing import Any, cast
from weakref import WeakKeyDictionary

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from services.chassis import metrics
from services.chassis.web import Problem

ARRIVAL_SECONDS = 30.0
"""For a request to arrive, head and body, or it is answered with 408; also for the rest of a body that was answered unread."""

SILENT_SECONDS = 30.0
"""For the first byte of a new connection. Between requests it may be idle much longer."""

UNREAD_SECONDS = 30.0
"""For the other end to read on: within this time it takes `READ_BYTES_MIN` of what waits for it, or all."""

READ_BYTES_MIN = 16 * 1024
LINGER_SECONDS = 5.0

CONNECTIONS_MAX = 4096
CONNECTIONS_PER_ADDRESS_MAX = 256

MAX_HEAD_BYTES = 64 * 1024
TOO_LARGE, NOT_IMPLEMENTED = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, HTTPStatus.NOT_IMPLEMENTED
_REQUEST_LINE = re.compile(rb"^[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP/1\.[01]\r$", re.MULTILINE)
PIPELINED_MAX = 32
"""Requests of one connection that wait behind another: each is held in memory, and its sender was not asked who it is."""

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


class _Unacceptable(Exception):
    """A request that is HTTP, as far as the parser goes, and is not served."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class HttpConfig(uvicorn.Config):
    """A server's configuration with how many connections it holds. Addresses in `unbounded` are proxies."""

    connections_max = CONNECTIONS_MAX
    connections_per_address_max = CONNECTIONS_PER_ADDRESS_MAX
    unbounded: frozenset[str] = frozenset()
    inside_port: int | None = None


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    _deadline: asyncio.TimerHandle | None = None
    _has_spoken = False
    _is_arriving = False
    """A request has begun, and not all of it is here."""
    _has_head = False
    _unframed = 0
    """Bytes since the last that made a head, or were part of a body."""
    _is_broken = False
    """What follows is not read any more; what is in line is still answered."""
    _counted: str | None = None
    _is_refused = False

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
        self._unset_keepalive_if_required()
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
        if self._is_refused or self._is_broken or self.transport.is_closing():
            return
        if not self._has_spoken:
            self._has_spoken = True
            self._unset_deadline()
        self._unset_keepalive_if_required()
        self._unframed += len(data)
        try:
            self._feed(data)
            if self._unframed > MAX_HEAD_BYTES:
                raise _Unacceptable(TOO_LARGE, "the head of a request may have 64 KiB")
        except httptools.HttpParserInvalidMethodError as error:
            is_request = _REQUEST_LINE.search(data) is not None
            self._refuse(_Unacceptable(NOT_IMPLEMENTED, "no such method") if is_request else error)
        except (httptools.HttpParserError, _Unacceptable) as error:
            self._refuse(error)
        self._watch()

    def _feed(self, data: bytes) -> None:
        """Parse. The parser takes an offer of another protocol for the end of HTTP; it gets the request again, without it."""
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                lines = [b"%b %b HTTP/%b" % self._first_line()]
                lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
                self.parser = httptools.HttpRequestParser(self)
                data = b"\r\n".join([*lines, b"", data[offer.args[0] :]])

    def _first_line(self) -> tuple[bytes, bytes, bytes]:
        return self.parser.get_method(), self.url, self.parser.get_http_version().encode()

    def on_message_begin(self) -> None:
        """The first byte of a request came."""
        super().on_message_begin()
        self._is_arriving, self._has_head = True, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came; those after a body are counted, and dropped."""
        if not self._has_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head came. Raises `_Unacceptable`."""
        self._has_head, self._unframed = True, 0
        self._check_head()
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def _check_head(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            raise _Unacceptable(TOO_LARGE, "the head of a request may have 64 KiB")
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise _Unacceptable(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "HTTP/1.1 is spoken here")
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (version == "1.1" and not hosts):
            raise _Unacceptable(HTTPStatus.BAD_REQUEST, "a request names one host")
        if any(
            name == b"transfer-encoding" and value.lower() != b"chunked"
            for name, value in self.headers
        ):
            raise _Unacceptable(NOT_IMPLEMENTED, "a body is sent as it is, or in chunks")
        if self.parser.get_method() == b"CONNECT":
            raise _Unacceptable(NOT_IMPLEMENTED, "this is no proxy")
        if len(self.pipeline) >= PIPELINED_MAX:
            raise _Unacceptable(HTTPStatus.TOO_MANY_REQUESTS, "too many requests wait for answers")

    def on_body(self, body: bytes) -> None:
        """Some of a body came."""
        self._unframed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of a request is here."""
        if self.parser.should_upgrade():
            return  # only its head; it comes again
        self._is_arriving, self._unframed = False, 0
        self._unset_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request is answered, whether or not all of it has come."""
        super().on_response_complete()
        self._watch()

    def shutdown(self) -> None:
        """The service stops."""
        if not self.transport.is_closing():
            super().shutdown()

    def _refuse(self, error: Exception) -> None:
        """Answer what is no HTTP, or not served; what came before it is answered first."""
        self._is_broken = True
        cause = error.__context__ if isinstance(error, httptools.HttpParserCallbackError) else error
        cycle = self.cycle  # the newest request whose head was good
        is_its_body = cycle is not None and self._is_arriving and cycle.scope is self.scope
        is_waiting = cycle is not None and not cycle.response_complete
        if is_waiting and not is_its_body:
            cycle.keep_alive = False
            return
        if not is_its_body or (is_waiting and not cycle.response_started and not self.pipeline):
            self._answer(cause)
        self._end()

    def _answer(self, cause: BaseException | None) -> None:
        status, why = HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request"
        if isinstance(cause, _Unacceptable):
            status, why = cause.status, str(cause)
        answer = Problem(status, status.phrase, why, headers={"Connection": "close"}).response()
        lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode())]
        lines += [b"%b: %b" % header for header in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))

    def _watch(self) -> None:
        """Set the clock for what this connection is waiting for."""
        if self.transport.is_closing():
            self._unset_deadline()
            return
        if self._is_arriving and not self._is_broken:
            self._deadline = self._deadline or self.loop.call_later(
                ARRIVAL_SECONDS, self._has_not_arrived
            )
            return
        self._unset_deadline()
        if not self._has_spoken:
            seconds = min(SILENT_SECONDS, self.timeout_keep_alive)
            self._deadline = self.loop.call_later(seconds, self._end_of, "silent")
            return
        is_between = self.cycle is None or self.cycle.response_complete
        if is_between and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self._end)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _has_not_arrived(self) -> None:
        metrics.CONNECTIONS_ENDED.labels("arrival").inc()
        why = f"the request did not arrive within {ARRIVAL_SECONDS:.0f} s"
        self._refuse(_Unacceptable(HTTPStatus.REQUEST_TIMEOUT, why))
        self._watch()

    def _end_of(self, reason: str) -> None:
        metrics.CONNECTIONS_ENDED.labels(reason).inc()
        self._end()

    def _end(self) -> None:
        """Close, and release whoever still waits for more of a request."""
        self.transport.close()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
