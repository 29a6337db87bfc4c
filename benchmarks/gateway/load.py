"""A client that asks over so many connections, each again as soon as it is answered: what came back, and how soon."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "


@dataclass(slots=True)
class Asked:
    """What so many connections were answered within a span of time."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    waits_ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.statuses.total() / self.seconds

    @property
    def p99_ms(self) -> float:
        """99 of 100 answers came within this time."""
        return sorted(self.waits_ms)[int(len(self.waits_ms) * 0.99)]


def request(url: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A request as it is written to a connection."""
    host = urlsplit(url).netloc
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + END_OF_HEAD + body


class _Asking(asyncio.Protocol):
    """One connection. Answers have a content length, and come one at a time."""

    def __init__(self, requests: Sequence[bytes], turns: "count[int]", asked: Asked) -> None:
        self._requests, self._turns, self._asked = requests, turns, asked
        self._answer, self._since, self._is_over = b"", 0.0, False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._since = time.perf_counter()
        self._transport.write(self._requests[next(self._turns) % len(self._requests)])

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(END_OF_HEAD)
        if not found:
            return
        at = head.lower().index(LENGTH) + len(LENGTH)
        if len(body) < int(head[at:].split(b"\r\n", 1)[0]):
            return
        self._asked.waits_ms.append((time.perf_counter() - self._since) * 1000)
        self._asked.statuses[int(head[9:12])] += 1
        self._answer = b""
        if self._is_over:
            self._transport.close()
        else:
            self._ask()

    def stop(self) -> None:
        """Ask no more; the last answer is waited for."""
        self._is_over = True

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_over:
            self.ended.set_exception(exc or ConnectionError("the server closed the connection"))
        else:
            self.ended.set_result(None)


async def ask(url: str, requests: Sequence[bytes], connections: int, seconds: float) -> Asked:
    """Ask for so long. Raises `ConnectionError` when the server hangs up."""
    found, turns = Asked(0), count()
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    opened = [
        (await loop.create_connection(lambda: _Asking(requests, turns, found), host, port))[1]
        for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    for one in opened:
        one.stop()
    async with asyncio.timeout(30):
        await asyncio.gather(*(one.ended for one in opened))
    found.seconds = time.perf_counter() - began
    return found
