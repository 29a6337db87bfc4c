"""One of those that are compared, in a process of its own: says where it listens, and serves until its input ends.

`python -m benchmarks.gateway.serve ours|bare|meter '{...}'`
"""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any
from uuid import uuid4

import uvicorn
import uvloop
from aiokafka import AIOKafkaProducer

from schemas.tenants import ServiceActivated
from services.billing.app import BillingSettings, build
from services.chassis.clock import ManualClock
from services.local.ports import free_port
from tests.integration.gateway.world import NOW, assigned, open_world, registered
from tests.support.running import running, settings_for

TENANTS = 48
TICK = timedelta(seconds=0.1)


async def ours(spec: dict[str, Any]) -> None:
    """The gateway as it is, with a reseller and its tenants. Its rate limit is lifted: it is not what is measured."""
    more = {"requests_per_second": 1e9, "requests_burst": 1e9}
    async with open_world(spec["database"], spec["bootstrap"], spec["prefix"], **more) as world:
        services = {}
        for _ in range(TENANTS):
            tenant, service_id = str(uuid4()), str(uuid4())
            active = ServiceActivated(
                service_id=service_id, order_id=str(uuid4()), item=0, sku="ERP-CLOUD", quantities={}, effective_at=NOW
            )  # fmt: skip
            await world.tell(tenant, registered("A"), assigned("VAR-A"), active)
            services[tenant] = service_id

        async def are_known() -> bool:
            found = await world.gateway.sql("select count(*) as n from service")
            return bool(found[0]["n"] == TENANTS)

        await world.gateway.eventually(are_known)
        await _until_the_end(
            {"url": world.gateway.url, "key": world.keys["VAR-A"], "services": services}
        )


async def meter(spec: dict[str, Any]) -> None:
    """Billing as it is, over the topics of the gateway."""
    settings = await settings_for(
        BillingSettings, "billing", spec["database"], spec["bootstrap"], spec["prefix"]
    )
    clock = ManualClock(NOW)
    ticking = asyncio.create_task(_tick(clock))
    async with running(build(settings), clock):
        await _until_the_end({"url": ""})
    ticking.cancel()


async def _tick(clock: ManualClock) -> None:
    """A clock that stands still would never look again at what waited for the catalogue."""
    while True:
        await asyncio.sleep(TICK.total_seconds())
        clock.advance(TICK)


class Bare:
    """No more than HTTP in, and the body into Kafka, acknowledged by all in-sync replicas."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer, self._topic = producer, topic

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await self._producer.send_and_wait(self._topic, body)
        answer = b'{"accepted":1}'
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def bare(spec: dict[str, Any]) -> None:
    """uvicorn with httptools, and an idempotent producer."""
    async with AIOKafkaProducer(
        bootstrap_servers=spec["bootstrap"], acks="all", enable_idempotence=True, max_request_size=8 * 1024 * 1024
    ) as producer:  # fmt: skip
        port = free_port()
        config = uvicorn.Config(
            Bare(producer, spec["topic"]), port=port, http="httptools", lifespan="off",
            log_config=None, access_log=False,
        )  # fmt: skip
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        await _until_the_end({"url": f"http://127.0.0.1:{port}"})
        server.should_exit = True
        await serving


async def _until_the_end(said: dict[str, Any]) -> None:
    print(json.dumps(said), flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    which = {"ours": ours, "bare": bare, "meter": meter}[sys.argv[1]]
    uvloop.run(which(json.loads(sys.argv[2])))


if __name__ == "__main__":
    main()
