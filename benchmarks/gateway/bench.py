"""Events a second through the door, against a bare loop of the same kind: both in turn, counted in Kafka."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.gateway import together
from benchmarks.gateway.load import Asked, ask, request
from benchmarks.gateway.servers import Server, served
from benchmarks.report import Row, median
from schemas.topics import USAGE
from services.chassis.admin import ensure_topics
from services.gateway.domain.cloudevents import BATCHED, STRUCTURED
from tests.faults.servers import Servers
from tests.integration.gateway.world import cloud_event, order_data

RUNS = 5
SECONDS = 2.0
CONNECTIONS = (1, 16, 64)
BATCH, BATCH_CONNECTIONS = 100, 8
BARE = replace(USAGE, name="bare.v1")


class Counted:
    """Asks a server, and compares what it accepted with what Kafka has."""

    def __init__(self, lookout: AIOKafkaConsumer) -> None:
        self._lookout = lookout

    async def _ends(self, topic: str) -> int:
        parts = [TopicPartition(topic, n) for n in range(USAGE.partitions)]
        return sum((await self._lookout.end_offsets(parts)).values())

    async def ask(
        self, server: Server, requests: Sequence[bytes], connections: int, records: int = 1
    ) -> Asked:
        """Ask for a while. Raises `AssertionError` when Kafka has other than what was accepted."""
        before = await self._ends(server.topic)
        found = await ask(server.url, requests, connections, SECONDS)
        arrived = await self._ends(server.topic) - before
        assert arrived == found.statuses[202] * records, (arrived, found.statuses)
        return found


def usage(tenant: str, service_id: str, **more: str) -> dict[str, Any]:
    """A usage event as a back-end sends it."""
    data = {"service_id": service_id, "meter": "e_invoices", "value": "FT-2026-1730", **more}
    return cloud_event("vicino.usage.recorded.v1", data, tenant)


class Door:
    """The requests that are asked of one server."""

    def __init__(self, server: Server, services: dict[str, str], key: str) -> None:
        self._server, self._services = server, services
        self._key = key

    def _request(self, body: Any, kind: str) -> bytes:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": kind}
        return request(self._server.url, "/v1/events", headers, json.dumps(body).encode())

    def singles(self) -> list[bytes]:
        """One event a request, of each tenant in turn."""
        return [self._request(usage(*one), STRUCTURED) for one in self._services.items()]

    def batches(self) -> list[bytes]:
        """Batches of events of one tenant."""
        return [
            self._request([usage(*one) for _ in range(BATCH)], BATCHED)
            for one in self._services.items()
        ]

    def with_refused(self) -> list[bytes]:
        """One event a request; every hundredth names a meter that there is not."""
        good = self.singles()
        tenant, service_id = next(iter(self._services.items()))
        bad = self._request(usage(tenant, service_id, meter="no_such_meter"), STRUCTURED)
        return [good[n % len(good)] for n in range(99)] + [bad]

    def orders(self, count: int) -> list[bytes]:
        """A change of quantities each, none twice."""
        found = []
        some = list(self._services.items())
        for n in range(count):
            tenant, service_id = some[n % len(some)]
            item = {"action": "change", "service_id": service_id, "quantities": {"extra_user": "3"}}
            data = {k: v for k, v in order_data(items=[item]).items() if k != "tenant"}
            found.append(
                self._request(cloud_event("vicino.order.placed.v1", data, tenant), STRUCTURED)
            )
        return found


async def run(on_servers: Servers, database: str) -> list[Row]:
    """The door and the bare loop, in turn."""
    bootstrap, prefix = on_servers.kafka.bootstrap, f"b{uuid4().hex[:6]}."
    await ensure_topics(bootstrap, [BARE], prefix=prefix)
    lookout = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await lookout.start()
    spec = {"bootstrap": bootstrap}
    topics = {"ours": prefix + USAGE.name, "bare": prefix + BARE.name}
    try:
        async with (
            served("ours", topics["ours"], {**spec, "database": database, "prefix": prefix}) as ours,
            served("bare", topics["bare"], {**spec, "topic": topics["bare"]}) as other,
        ):  # fmt: skip
            rows = await _compare(ours, other, Counted(lookout))
    finally:
        await lookout.stop()
    return rows + await together.run(on_servers)


async def _compare(ours: Server, other: Server, counted: Counted) -> list[Row]:
    services, key = ours.said["services"], ours.said["key"]
    door, bare = Door(ours, services, key), Door(other, services, key)
    began = ours.process.memory_info().rss / 2**20
    rows = []
    for connections in CONNECTIONS:
        found: list[tuple[Asked, Asked]] = []
        for _ in range(RUNS):
            one = await counted.ask(ours, door.singles(), connections)
            found.append((one, await counted.ask(other, bare.singles(), connections)))
        rows += _rows(f"one event a request, {connections} connections", found)
    batches = []
    for _ in range(RUNS):
        one = await counted.ask(ours, door.batches(), BATCH_CONNECTIONS, BATCH)
        batches.append((one, await counted.ask(other, bare.batches(), BATCH_CONNECTIONS)))
    rows.append(
        Row.of(
            f"batches of {BATCH}, {BATCH_CONNECTIONS} connections, events/s",
            median([one.per_second * BATCH for one, _ in batches]),
            "the bare loop, a batch in one record, events/s",
            median([one.per_second * BATCH for _, one in batches]),
            ">= 0.35; >= 50,000 events/s",
        )
    )
    clean, refused = [], []
    for _ in range(RUNS):
        clean.append((await counted.ask(ours, door.singles(), 16)).per_second)
        refused.append((await counted.ask(ours, door.with_refused(), 16)).per_second)
    rows.append(
        Row.of("1 % refused, 16 connections, requests/s", median(refused), "none refused", median(clean), ">= 0.9")
    )  # fmt: skip
    orders = await ask(ours.url, door.orders(4_000), 16, SECONDS)
    assert set(orders.statuses) == {202}, orders.statuses
    rows.append(Row.of("orders, 16 connections, requests/s", orders.per_second))
    ended = ours.process.memory_info().rss / 2**20
    rows.append(
        Row.of(
            "memory after the run, MiB", ended, "at its start", began, "stated; `make bench-soak`"
        )
    )
    return rows


def _rows(work: str, found: Sequence[tuple[Asked, Asked]]) -> list[Row]:
    return [
        Row.of(
            f"{work}, requests/s",
            median([one.per_second for one, _ in found]),
            "the bare loop, requests/s",
            median([one.per_second for _, one in found]),
            ">= 0.5",
        ),
        Row.of(
            f"{work}, p99 ms",
            median([one.p99_ms for one, _ in found]),
            "the bare loop, p99 ms",
            median([one.p99_ms for _, one in found]),
            "<= 3",
        ),
    ]
