"""Requests that stop where a test wants them to, over a plain socket."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.routing import APIRoute

ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Said:
    """The head of an answer."""

    status: int
    headers: dict[str, str]


def head(method: str, path: str, *headers: str) -> bytes:
    """A request's head."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *headers, "", "")).encode(
        "latin-1"
    )


async def ask(url: str, said: bytes, seconds: float = ANSWER_SECONDS) -> Said:
    """Say this and nothing more, and read the head of the answer. Raises `TimeoutError` when none comes."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(said)
        await writer.drain()
        async with asyncio.timeout(seconds):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    finally:
        writer.close()
    headers = {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in lines[1:] if line)
    }
    return Said(int(lines[0].split()[1]), headers)


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every method and path of an application, parameters filled with something."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            path = re.sub(r"\{[^}]*\}", "x", route.path)
            yield from ((method, path) for method in sorted(route.methods or ()))
