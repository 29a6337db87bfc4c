"""A way to a server that holds its answers back for a while, and then resets all connections."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CHUNK_BYTES = 65_536
RESET = struct.pack("ii", 1, 0)
"""Closed with unsent data dropped: the other side gets a reset instead of an end."""


class Holding:
    """Connections that pass through, until `hold_and_reset`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._flows = asyncio.Event()
        self._flows.set()
        self._clients: set[asyncio.StreamWriter] = set()
        self.resets = 0
        """Connections reset so far."""

    async def hold_and_reset(self, seconds: float) -> None:
        """Let requests through and no answer, for a while; then reset what is connected."""
        self._flows.clear()
        await asyncio.sleep(seconds)  # the pause itself is the fault
        for client in list(self._clients):
            self.resets += 1
            connection = client.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.transport.abort()
        self._flows.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        try:
            answers, requests = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:  # the server is not there: neither is what leads to it
            writer.transport.abort()
            return
        self._clients.add(writer)
        ways = [
            asyncio.create_task(self._pass(reader, requests)),
            asyncio.create_task(self._pass(answers, writer, held=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._clients.discard(writer)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, requests):
                end.transport.abort()

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, held: bool = False
    ) -> None:
        while data := await source.read(CHUNK_BYTES):
            if held:
                await self._flows.wait()
            sink.write(data)
            await sink.drain()


@asynccontextmanager
async def holding(target: int) -> AsyncIterator[tuple[Holding, int]]:
    """A proxy before a loopback port; gives it and the port where it listens."""
    proxy = Holding(target)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await proxy.serve(reader, writer)
        finally:
            serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield proxy, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
