"""What is done to the Kafka clients inside a worker, as its environment asks. Nothing, if it does not.

`FAULT_KAFKA_PORTS=9092:4000`: connections to the first port of a broker go to the second, where a proxy stands.
`FAULT_CLOSED_TRANSPORT=Fetch:3:/file`: the third request of that kind, of any client, meets a transport that is closed
already, as uvloop says it; the file is written when it has happened.
"""

import asyncio
import os
import struct
from pathlib import Path
from typing import Any

from aiokafka.conn import AIOKafkaConnection

PORTS, CLOSED = "FAULT_KAFKA_PORTS", "FAULT_CLOSED_TRANSPORT"
REQUESTS = {
    "Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetCommit": 8, "FindCoordinator": 10,
    "JoinGroup": 11, "Heartbeat": 12, "SyncGroup": 14, "InitProducerId": 22,
}  # fmt: skip
HEADER = struct.Struct(">ihhih")
"""Size, kind, version, number, length of the client's name."""


def install() -> None:
    """Do what the environment asks for."""
    if ports := os.environ.get(PORTS):
        _redirect(*map(int, ports.split(":")))
    if closed := os.environ.get(CLOSED):
        request, count, happened = closed.split(":", 2)
        _close(REQUESTS[request], int(count), Path(happened))


def _redirect(broker: int, proxy: int) -> None:
    begin = AIOKafkaConnection.__init__

    def redirected(self: Any, host: str, port: int, **options: Any) -> None:
        begin(self, host, proxy if port == broker else port, **options)

    AIOKafkaConnection.__init__ = redirected


def _close(kind: int, count: int, happened: Path) -> None:
    write, left = asyncio.StreamWriter.write, count

    def broken(self: asyncio.StreamWriter, data: bytes) -> None:
        nonlocal left
        if left and len(data) >= HEADER.size and _is(kind, data):
            left -= 1
            if not left:
                happened.touch()
                raise RuntimeError(
                    "unable to perform operation on <TCPTransport closed=True>; the handler is closed"
                )
        write(self, data)

    asyncio.StreamWriter.write = broken  # type: ignore[method-assign,assignment]


def _is(kind: int, data: bytes) -> bool:
    """Whether bytes begin a request of a kind by one of our clients."""
    size, found, _version, _number, length = HEADER.unpack_from(data)
    return (
        found == kind
        and size == len(data) - 4
        and data[HEADER.size : HEADER.size + length].startswith(b"vicino")
    )
