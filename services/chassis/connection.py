"""An HTTP connection that waits for nobody for ever, and resets nobody who is still speaking.

uvicorn's own (over h11), with four things mended: a request must have arrived whole within a time, its head included;
a connection that has said nothing yet rests no longer than one between requests; what is no HTTP is answered with
problem+json like every refusal; and a connection is not closed before its other end has heard so.
"""

import asyncio
import sys
from http import HTTPStatus
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from services.chassis.web import Problem

ARRIVAL_SECONDS = 30.0
"""For a request to arrive, head and body; also for the rest of a body that was answered unread."""

LINGER_SECONDS = 5.0


class _Lingering:
    """A transport whose `close` first says goodbye, and reads on until the other end has closed too, or for a while.

    Closed at once, with bytes unread, the kernel would answer the sender with a reset, and the sender never see the
    answer that says why.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._is_closing = transport, False

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


class Connection(H11Protocol):
    """One connection of a client."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there."""
        super().connection_made(cast(asyncio.Transport, _Lingering(transport)))
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._unset_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something of a request came."""
        if self.transport.is_closing():
            return
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
        status = HTTPStatus(error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400)
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = Problem(status, status.phrase, msg, headers={"Connection": "close"}).response()
            head = h11.Response(status_code=status, reason=status.phrase.encode(), headers=answer.raw_headers)
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
            self._deadline = self._deadline or self.loop.call_later(ARRIVAL_SECONDS, self._end)
            return
        self._unset_deadline()
        if is_between and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self._end)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        """Close, and let go whoever still waits for more of a request."""
        self.transport.close()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
