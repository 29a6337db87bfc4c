"""A way to a server that can be opened late, or cut: bytes are passed on as they are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CHUNK_BYTES = 65_536


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass  # the other direction ends too
    finally:
        sink.close()


@asynccontextmanager
async def forwarding(port: int, to: str) -> AsyncIterator[None]:
    """Pass connections to a loopback port on to `to` (`host:port`); at the end all of them are cut."""
    host, _, target = to.rpartition(":")
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(target))
        for pair in ((reader, back), (there, writer)):
            task = asyncio.create_task(_pump(*pair))
            open_now.add(task)
            task.add_done_callback(open_now.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for task in list(open_now):
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)
