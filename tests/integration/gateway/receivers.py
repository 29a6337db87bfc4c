"""Receivers of webhooks: a real HTTP server per reseller that verifies signatures, and raw sockets that behave badly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator
from standardwebhooks import Webhook

from services.gateway.openapi import document
from services.local.ports import free_port

DOCUMENT = document()
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answering(status: str, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer with a status."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return answer


async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def close_early(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Close without an answer."""


async def slow_loris(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say yes, and then talk without end."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()


async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what is no HTTP."""
    writer.write(b"\x00\xff hello\r\n\r\n")
    await writer.drain()


@dataclass
class Told:
    """A request that came."""

    headers: dict[str, str]
    body: bytes

    def verified(self, *secrets: str) -> list[Any]:
        """The event, once for each secret that the library says it is signed with. Raises when one is not.

        Whatever is sent is as OpenAPI says, and holds nothing that it does not say.
        """
        found = [Webhook(secret).verify(self.body, self.headers) for secret in secrets]
        for event in found:
            schema = DOCUMENT["components"]["schemas"][_schema_of(event["type"])]
            Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(event)
            unsaid = event["data"].keys() - schema["properties"]["data"]["properties"].keys()
            assert not unsaid, (
                f"{event['type']} holds {sorted(unsaid)}, and OpenAPI does not say so"
            )
        return found


def _schema_of(wire_type: str) -> str:
    body = DOCUMENT["webhooks"][wire_type]["post"]["requestBody"]["content"]
    return str(body["application/cloudevents+json"]["schema"]["$ref"]).rpartition("/")[2]


@dataclass
class Receiver:
    """A server that answers as a test asks, and remembers who came."""

    behaviour: Behaviour
    port: int = field(default_factory=free_port)
    told: list[Told] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:-2])
            }
            self.told.append(
                Told(headers, await reader.readexactly(int(headers.get("content-length", "0"))))
            )
            await self.behaviour(reader, writer)
        except ConnectionError:
            pass  # the sender hung up, as it should on some of these
        finally:
            writer.close()


@asynccontextmanager
async def receiving(behaviour: Behaviour) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver(behaviour)
    running: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        await receiver.handle(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", receiver.port)
    try:
        yield receiver
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
