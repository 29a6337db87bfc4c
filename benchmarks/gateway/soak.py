"""Ten minutes of load on the door: its memory must not grow."""

from uuid import uuid4

from benchmarks.gateway.bench import Door
from benchmarks.gateway.load import ask
from benchmarks.gateway.servers import served
from benchmarks.report import Row
from schemas.topics import USAGE
from tests.faults.servers import Servers

MINUTES, CONNECTIONS = 10, 16
MINUTE_SECONDS = 60.0


async def run(on: Servers, database: str) -> list[Row]:
    """One event a request, one request in a hundred refused, minute by minute."""
    prefix = f"b{uuid4().hex[:6]}."
    spec = {"bootstrap": on.kafka.bootstrap, "database": database, "prefix": prefix}
    sizes, rates = [], []
    async with served("ours", prefix + USAGE.name, spec) as server:
        requests = Door(server, server.said["services"], server.said["key"]).with_refused()
        for _ in range(MINUTES):
            found = await ask(server.url, requests, CONNECTIONS, MINUTE_SECONDS)
            assert set(found.statuses) == {202, 422}, found.statuses
            sizes.append(server.process.memory_info().rss / 2**20)
            rates.append(found.per_second)
    return [
        Row.of(f"memory after {MINUTES} minutes of load, MiB", sizes[-1], "after the first", sizes[0], "flat: <= 1.05"),
        Row.of("requests/s in the last minute", rates[-1], "in the first", rates[0], ">= 0.9"),
    ]  # fmt: skip
