"""The door and the meter together on one machine: how much is counted a second, and how long an event takes to be counted."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from benchmarks.gateway.load import ask, request
from benchmarks.gateway.servers import Server, served
from benchmarks.report import Row
from schemas.topics import USAGE
from services.chassis.engine.read_up import partition_of
from services.gateway.domain.cloudevents import BATCHED
from services.local.roles import ensure_database
from tests.faults.servers import Servers
from tests.integration.gateway.world import cloud_event

SECONDS = 3.0
BATCH, CONNECTIONS = 100, 8
REQUESTS = 4_500
"""More than are asked within the time: no event is sent twice."""

STEADY_RATE, STEADY_BATCH, STEADY_CONNECTIONS, STEADY_SECONDS = 5_000, 10, 16, 8.0
WAIT_SECONDS = 120.0


def fresh(tenant: str, service_id: str, n: int) -> list[dict[str, Any]]:
    """So many usage events that nobody has sent."""
    said = {"service_id": service_id, "meter": "e_invoices"}
    return [
        cloud_event("vicino.usage.recorded.v1", {**said, "value": f"FT-{uuid4().hex[:12]}"}, tenant)
        for _ in range(n)
    ]


class Sender:
    """Requests with events of each tenant in turn, none twice."""

    def __init__(self, door: Server) -> None:
        self._door, self.services = door, list(door.said["services"].items())
        self._key = door.said["key"]
        self._n = 0

    def next(self, size: int) -> tuple[str, bytes]:
        """A tenant, and a batch of its events as a request."""
        self._n += 1
        tenant, service_id = self.services[self._n % len(self.services)]
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": BATCHED}
        body = json.dumps(fresh(tenant, service_id, size)).encode()
        return tenant, request(self._door.url, "/v1/events", headers, body)


class Meter:
    """What billing has counted, by partition."""

    def __init__(self, db: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._db = db

    async def offsets(self) -> dict[int, int]:
        """How far each partition is committed."""
        found = await self._db.fetch(
            "select part, next_offset from billing.consumer_offset where topic = $1", USAGE.name
        )
        return {row["part"]: row["next_offset"] for row in found}

    async def until(self, total: int) -> None:
        """Wait until so many are committed. Raises `TimeoutError`."""
        async with asyncio.timeout(WAIT_SECONDS):
            while sum((await self.offsets()).values()) < total:
                await asyncio.sleep(0.01)

    async def knows(self, services: int) -> None:
        """Wait until billing knows so many services. Raises `TimeoutError`."""
        async with asyncio.timeout(WAIT_SECONDS):
            while await self._db.fetchval("select count(*) from billing.service") < services:
                await asyncio.sleep(0.1)

    async def outcomes(self) -> dict[str, int]:
        """What became of how many events."""
        found = await self._db.fetch(
            "select outcome, sum(n)::bigint as n from billing.usage_tally group by 1"
        )
        return {row["outcome"]: row["n"] for row in found if row["n"]}

    async def check(self, total: int) -> None:
        """Every event was counted once. Raises `AssertionError`."""
        found = await self.outcomes()
        assert found == {"counted": total}, (total, found)


async def run(on: Servers) -> list[Row]:
    """The door alone, then with the meter, then both at a steady rate."""
    name, prefix = f"bench_{uuid4().hex[:8]}", f"b{uuid4().hex[:6]}."
    await ensure_database(on.postgres.superuser_url, name)
    url = on.postgres.superuser_url.rsplit("/", 1)[0] + f"/{name}"
    spec = {"bootstrap": on.kafka.bootstrap, "database": url, "prefix": prefix}
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(served("ours", prefix + USAGE.name, spec))
        sender = Sender(door)
        billing = await stack.enter_async_context(served("meter", prefix + USAGE.name, spec))
        db = await asyncpg.connect(url)
        stack.push_async_callback(db.close)
        meter = Meter(db)
        await meter.knows(len(sender.services))
        requests = [[sender.next(BATCH)[1] for _ in range(REQUESTS)] for _ in range(2)]
        billing.process.suspend()
        alone = await _in_batches(door, requests[0])
        billing.process.resume()
        sent = round(alone[0] * alone[1])
        await meter.until(sent)
        began = time.perf_counter()
        together = await _in_batches(door, requests[1])
        sent += round(together[0] * together[1])
        await meter.until(sent)
        counted = together[0] * together[1] / (time.perf_counter() - began)
        waits = await _steadily(door, sender, meter)
        sent += len(waits)
        await meter.check(sent)
    waits.sort()
    steady = f"at {STEADY_RATE:,} events/s in batches of {STEADY_BATCH}"
    return [
        Row.of(f"door with the meter beside it, batches of {BATCH}, events/s", together[0], "the door alone", alone[0], "stated"),
        Row.of("door and meter, accepted and counted, events/s", counted, "the door alone", alone[0], "stated"),
        Row.of(f"sent to counted, p50 ms, {steady}", waits[len(waits) // 2]),
        Row.of(f"sent to counted, p99 ms, {steady}", waits[int(len(waits) * 0.99)], goal="< 500 ms"),
    ]  # fmt: skip


async def _in_batches(door: Server, requests: list[bytes]) -> tuple[float, float]:
    """Events a second, and for how many seconds."""
    found = await ask(door.url, requests, CONNECTIONS, SECONDS)
    assert set(found.statuses) == {202}, found.statuses
    assert found.statuses.total() < REQUESTS, "more requests were asked than there are"
    return found.per_second * BATCH, found.seconds


async def _steadily(door: Server, sender: Sender, meter: Meter) -> list[float]:
    """How many milliseconds each event took from being sent until it was committed by billing."""
    before = await meter.offsets()
    sent: defaultdict[int, list[float]] = defaultdict(list)
    sending = asyncio.create_task(_send_at_a_rate(door, sender, sent))
    done: defaultdict[int, int] = defaultdict(int)
    waits: list[float] = []
    async with asyncio.timeout(WAIT_SECONDS):
        while not sending.done() or sum(done.values()) < sum(map(len, sent.values())):
            await asyncio.sleep(0.005)
            offsets, now = await meter.offsets(), time.perf_counter()
            for part, offset in offsets.items():
                reached = min(offset - before.get(part, 0), len(sent[part]))
                waits += [(now - at) * 1000 for at in sent[part][done[part] : reached]]
                done[part] = reached
    await sending
    return waits


async def _send_at_a_rate(
    door: Server, sender: Sender, sent: "defaultdict[int, list[float]]"
) -> None:
    pause = STEADY_CONNECTIONS * STEADY_BATCH / STEADY_RATE
    each = round(STEADY_SECONDS / pause)
    ready = [[sender.next(STEADY_BATCH) for _ in range(each)] for _ in range(STEADY_CONNECTIONS)]
    began = time.perf_counter()
    await asyncio.gather(
        *(
            _send_over_one(door, iter(some), began + n * pause / STEADY_CONNECTIONS, pause, sent)
            for n, some in enumerate(ready)
        )
    )


async def _send_over_one(
    door: Server, requests: Iterator[tuple[str, bytes]], at: float, pause: float,
    sent: "defaultdict[int, list[float]]",
) -> None:  # fmt: skip
    to = urlsplit(door.url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port)
    for tenant, raw in requests:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        began, at = time.perf_counter(), at + pause
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202"), head
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(size)
        sent[partition_of(tenant, USAGE.partitions)] += [began] * STEADY_BATCH
    writer.close()
