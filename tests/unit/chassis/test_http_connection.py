"""A connection waits for nobody for ever, and whoever is refused reads why. Real sockets, a small application."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn

from services.chassis import http_connection, metrics
from services.chassis.http_connection import Connection
from services.chassis.service import Process, Service
from services.chassis.serving import http_config
from services.chassis.settings import ServiceSettings

BIG = 6_000_000
"""More than the kernel keeps of what nobody reads."""


LARGE = 40_000_000
"""An answer that no kernel takes at once."""


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers `/read` when it has the body, `/slow` half a second later, anything else at once."""
    if scope["path"] == "/large":
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % LARGE)],
            }
        )
        await send({"type": "http.response.body", "body": bytes(LARGE)})
        return
    more = scope["path"] == "/read"
    await asyncio.sleep(0.5 if scope["path"] == "/slow" else 0)
    while more:
        message = await receive()
        more = message.get("more_body", False)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


class _Server(uvicorn.Server):
    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def served(keep_alive: int = 60) -> AsyncIterator[int]:
    """The application at work; gives its port."""
    server = _Server(
        uvicorn.Config(
            application, port=0, http=Connection, ws="none", lifespan="off", log_config=None,
            timeout_keep_alive=keep_alive, timeout_graceful_shutdown=1,
        )
    )  # fmt: skip
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


class Caller:
    """A client that sends exactly the bytes it is given."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def say_in(self, seconds: float, data: bytes) -> None:
        asyncio.get_running_loop().call_later(seconds, self._writer.write, data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        return (
            int(head[0].split()[1]),
            headers,
            await self._reader.readexactly(int(headers["content-length"])),
        )

    async def read(self, size: int) -> bytes:
        return await self._reader.read(size)

    def stop_reading(self) -> None:
        cast(asyncio.ReadTransport, self._writer.transport).pause_reading()

    async def end_or_answer(self) -> bytes:
        return await self._reader.read(12)

    async def end(self) -> bytes:
        """What is still said until the other end closes. Raises `ConnectionResetError` when it does so rudely."""
        async with asyncio.timeout(10):
            return await self._reader.read()


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield Caller(reader, writer)
    writer.close()


def request(path: str = "/", length: int = 0, *headers: str) -> bytes:
    return "\r\n".join(
        (f"POST {path} HTTP/1.1", "host: x", f"content-length: {length}", *headers, "", "")
    ).encode()


async def test_what_is_refused_unread_may_be_sent_to_its_end_and_the_connection_goes_on() -> None:
    async with served() as port, calling(port) as caller:
        await caller.say(request("/", BIG) + bytes(BIG))
        assert (await caller.answer())[0] == 200
        await caller.say(request())
        assert (await caller.answer())[0] == 200


async def test_who_closes_after_an_answer_is_read_to_the_end_and_never_reset() -> None:
    async with served() as port, calling(port) as caller:
        await caller.say(request("/", BIG, "connection: close") + bytes(BIG))
        assert (await caller.answer())[0] == 200
        assert await caller.end() == b""


async def test_a_request_that_crosses_the_close_of_a_rested_connection_meets_an_end_not_a_reset() -> (
    None
):
    async with served(keep_alive=1) as port, calling(port) as caller:
        await caller.say(request())
        await caller.answer()
        caller.say_in(1.0, request())
        time.sleep(1.1)  # noqa: ASYNC251 - the loop stalls, so that both happen in one of its turns
        assert await caller.end() == b""


def test_a_connection_may_rest_longer_than_any_balancer_lets_it() -> None:
    settings = ServiceSettings(postgres_url="postgresql://nowhere", kafka_bootstrap="nowhere:9092")
    config = http_config(Process(Service("monitoring", settings, Path())).app, settings)
    assert (config.timeout_keep_alive > 600, config.http) == (True, Connection)


@pytest.mark.parametrize(
    "begun", [b"POST / HTTP/1.1\r\nhost:", request("/read", 10) + b"x", request("/", 10) + b"x"],
    ids=["head", "body", "body nobody reads"],
)  # fmt: skip
async def test_a_request_that_does_not_arrive_in_time_is_given_up(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "ARRIVAL_SECONDS", 0.3)
    async with served() as port, calling(port) as caller:
        for n in range(len(begun)):
            await caller.say(begun[n : n + 1])
        began = time.monotonic()
        await caller.end()
        assert time.monotonic() - began < 5


async def test_who_never_says_a_byte_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "SILENT_SECONDS", 0.3)
    async with served(keep_alive=620) as port, calling(port) as caller:
        assert await caller.end() == b""


@pytest.mark.parametrize(
    "reads", [0, 100_000], ids=["before it reads", "in the middle of the answer"]
)
@pytest.mark.parametrize("closing", [False, True], ids=["keep-alive", "close"])
async def test_who_stops_reading_an_answer_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, reads: int, closing: bool
) -> None:
    monkeypatch.setattr(http_connection, "UNREAD_SECONDS", 0.3)
    before = metrics.CONNECTIONS_ENDED.labels("unread")._value.get()
    async with served(keep_alive=620) as port, calling(port) as caller:
        await caller.say(request("/large", 0, *(["connection: close"] if closing else [])))
        if reads:
            await caller.read(reads)
        caller.stop_reading()
        async with asyncio.timeout(20):
            while metrics.CONNECTIONS_ENDED.labels("unread")._value.get() == before:
                await asyncio.sleep(0.02)
        async with calling(port) as another:
            await another.say(request())
            assert (await another.answer())[0] == 200


async def test_an_answer_that_is_read_slowly_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "UNREAD_SECONDS", 1.0)
    async with served() as port, calling(port) as caller:
        await caller.say(request("/large"))
        got = 0
        while got < LARGE:
            rest = got + LARGE / 20
            while got < min(rest, LARGE):
                got += len(await caller.read(1_000_000))
            await asyncio.sleep(0.1)


async def test_connections_are_bounded_by_address_and_a_place_is_free_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_connection.HttpConfig, "connections_per_address_max", 3)
    async with served() as port:
        async with AsyncExitStack() as staying:
            for _ in range(3):
                caller = await staying.enter_async_context(calling(port))
                await caller.say(request())
                assert (await caller.answer())[0] == 200
            async with calling(port) as one_too_many:
                assert (await one_too_many.end()).startswith(b"HTTP/1.1 503 ")
        async with asyncio.timeout(10):
            while True:
                async with calling(port) as caller:
                    await caller.say(request())
                    if (await caller.end_or_answer()).startswith(b"HTTP/1.1 200"):
                        break


async def test_connections_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection.HttpConfig, "connections_max", 2)
    async with served() as port, calling(port) as one, calling(port) as other:
        for caller in (one, other):
            await caller.say(request())
            assert (await caller.answer())[0] == 200
        async with calling(port) as one_too_many:
            assert (await one_too_many.end()).startswith(b"HTTP/1.1 503 ")


async def test_a_stop_does_not_wait_for_who_was_told_goodbye_and_stays() -> None:
    async with AsyncExitStack() as staying:
        async with served() as port:
            caller = await staying.enter_async_context(calling(port))
            await caller.say(b"no HTTP\r\n\r\n")
            assert (await caller.answer())[0] == 400
            began = time.monotonic()
        assert time.monotonic() - began < http_connection.LINGER_SECONDS


async def test_who_says_nothing_rests_no_longer_than_between_requests() -> None:
    async with served(keep_alive=1) as port, calling(port) as caller:
        assert await caller.end() == b""


async def test_an_answer_may_take_longer_than_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "ARRIVAL_SECONDS", 0.2)
    async with served() as port, calling(port) as caller:
        await caller.say(request("/slow"))
        assert (await caller.answer())[0] == 200


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"\x16\x03\x01\x02\x00 hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: b\rinjected: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: b\x00c\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n", 400),
        (b"POST /read HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        (b"MADE-UP / HTTP/1.1\r\nhost: x\r\n\r\n", 501),
        (b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", 505),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", 431),
        (b"POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nt: " + b"x" * 200_000, 431),
        (b"POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"x" * 200_000, 431),
        (b"GET / HTTP/1.1\r\nhost: x\r\n" + b"".join(b"h%d: x\r\n" % n for n in range(200_000)) + b"\r\n", 431),
    ],
    ids=["no HTTP", "no host", "injection", "NUL", "negative length", "two lengths", "bad chunk", "two framings",
         "packed", "two hosts", "method", "proxy", "HTTP/2", "huge target", "huge trailer", "huge chunk extension", "huge head"],
)  # fmt: skip
async def test_what_is_no_http_is_answered_with_problem_json_and_an_end(
    said: bytes, status: int
) -> None:
    async with served() as port, calling(port) as caller:
        await caller.say(said)
        found, headers, body = await caller.answer()
        assert (found, headers["content-type"], json.loads(body)["status"]) == (
            status, "application/problem+json", status,
        )  # fmt: skip
        assert await caller.end() == b""
        async with calling(port) as another:
            await another.say(request())
            assert (await another.answer())[0] == 200


async def test_requests_in_a_row_are_answered_in_their_order() -> None:
    async with served() as port, calling(port) as caller:
        await caller.say(request("/slow") + request("/read", 3) + b"abc" + request("/unknown"))
        assert [(await caller.answer())[0] for _ in range(3)] == [200, 200, 200]


async def test_too_many_requests_in_a_row_end_the_connection_after_those_that_were_taken() -> None:
    async with served() as port, calling(port) as caller:
        await caller.say(request("/slow") + request() * (3 * http_connection.PIPELINED_MAX))
        answers = (await caller.end()).split(b"HTTP/1.1 ")[1:]
        assert [answer[:3] for answer in answers] == [b"200"] * (1 + http_connection.PIPELINED_MAX)


async def test_what_is_no_http_after_a_request_does_not_take_its_answer() -> None:
    async with served() as port, calling(port) as caller:
        await caller.say(request("/slow") + b"no HTTP\r\n\r\n")
        assert (await caller.answer())[0] == 200
        assert await caller.end() == b""


async def test_an_offer_of_another_protocol_is_passed_over_and_the_connection_goes_on() -> None:
    """Java's own client offers HTTP/2 with every first request."""
    offer = request("/read", 3, "connection: Upgrade, HTTP2-Settings", "upgrade: h2c")
    async with served() as port, calling(port) as caller:
        await caller.say(offer + b"abc" + request("/read", 1) + b"x")
        assert [(await caller.answer())[0] for _ in range(2)] == [200, 200]
        await caller.say(offer + b"abc")
        assert (await caller.answer())[0] == 200
        await caller.say(request())
        assert (await caller.answer())[0] == 200


@pytest.mark.parametrize("begun", [b"POST / HTTP/1.1\r\nhost:", request("/read", 10) + b"x"])
async def test_a_request_that_does_not_arrive_is_answered_with_408(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "ARRIVAL_SECONDS", 0.2)
    async with served() as port, calling(port) as caller:
        await caller.say(begun)
        status, headers, _ = await caller.answer()
        assert (status, headers["content-type"]) == (408, "application/problem+json")
        assert await caller.end() == b""


async def test_trailers_are_dropped_and_the_connection_goes_on() -> None:
    chunked = request("/read").replace(b"content-length: 0", b"transfer-encoding: chunked")
    async with served() as port, calling(port) as caller:
        for _ in range(3):
            await caller.say(chunked + b"3;a=b\r\nabc\r\n0\r\nt: x\r\n\r\n")
            assert (await caller.answer())[0] == 200
