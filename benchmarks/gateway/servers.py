"""A server of the benchmark, in a process of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Server:
    """A server at work."""

    said: dict[str, Any]
    process: psutil.Process
    topic: str

    @property
    def url(self) -> str:
        return str(self.said["url"])


@asynccontextmanager
async def served(which: str, topic: str, spec: dict[str, str]) -> AsyncIterator[Server]:
    """A server in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.gateway.serve", which, json.dumps(spec),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**20,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(90):
            line = b""
            while not line.startswith(b"{"):
                line = await process.stdout.readline()
                if not line:
                    raise RuntimeError(f"{which} did not start")
        yield Server(json.loads(line), psutil.Process(process.pid), topic)
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
