"""Trade at the real doors: a portal that orders and a reseller that sends usage until each event has its 202, on all of
Vicino's services; and the count of what became of what was accepted."""

import asyncio
import os
import random
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from uuid import uuid4

import aiohttp
import asyncpg
from stdnum import luhn

from schemas.scalars import rfc3339
from schemas.topics import TOPICS
from services.chassis.admin import ensure_topics
from services.local.demo.world import DemoClient, Receivers, catalogue, cloud_event
from services.local.home import Home
from services.local.stack import DATABASE, Stack
from services.onboarding.domain.credentials import derive
from tests.faults.servers import Servers
from tests.faults.verdict import Count, of_ids

RESELLER = "VAR-1"
SKU, METER = "CRM-TEAM", "api_calls"
SERVICES = ("gateway", "onboarding", "billing")
SETTLE_SECONDS = 90.0
BUSY = {429, 503}
PLACE = {
    "comune": "Modena",
    "provincia": "MO",
    "regione": "Emilia-Romagna",
    "lat": 44.64,
    "lon": 10.92,
}
PROFILE = {
    "name": "Reseller", "place": PLACE, "languages": ["it"], "certifications": [SKU], "capacity": 10_000, "active": 0,
    "tier": "gold", "contact": {"name": "Tecnico", "phone": "+39 0555 1", "email": "t@example.it", "photo_url": ""},
}  # fmt: skip

PLACES = (
    "select tenant_id from onboarding.service_order where state = 'completed'",
    "select id as tenant_id from onboarding.tenant where state = 'active'",
    "select tenant_id from onboarding.service_instance where state = 'active'",
    "select tenant_id from billing.service",
)
"""Where a firm that ordered must be found, once."""


@dataclass
class Accepted:
    """What a door answered 202 to."""

    tenants: list[str] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    """Quantity by event id."""


class Trade:
    """The stack, those who speak with it, and what they were promised."""

    def __init__(
        self, stack: Stack, door: DemoClient, receivers: Receivers, dice: random.Random
    ) -> None:
        self.stack, self._door, self._receivers, self._dice = stack, door, receivers, dice
        self.accepted = Accepted()

    async def _send(
        self, kind: str, event_id: str, data: dict[str, Any], subject: str | None = None
    ) -> Any:
        """Send one event, the same again and again, until the door takes it."""
        event = cloud_event(kind, event_id, "/portal", rfc3339(datetime.now(UTC)), data, subject)
        while True:
            try:
                answer = await self._door.send(event)
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.2)
                continue
            if answer.status == 202:
                return answer.body["accepted"][0]
            assert answer.status in BUSY, answer
            await asyncio.sleep(0.2)

    async def order(self, n: int, pace_seconds: float = 0.0) -> None:
        """So many firms order a service."""
        for _ in range(n):
            number = f"{9_900_200 + len(self.accepted.tenants):07d}999"
            tenant = {
                "external_id": f"SME-{number}", "name": f"Firm {number}", "vertical": "ceramica",
                "partita_iva": number + luhn.calc_check_digit(number),
                "address": {"street": "Via dell'Esempio 1", "cap": "41121", "comune": "Modena", "provincia": "MO"},
                "contact": {"name": "Ada Esempio", "phone": "+39 0555 020001", "email": "ada@example.it"},
            }  # fmt: skip
            data = {
                "reference": number,
                "tenant": tenant,
                "items": [{"action": "add", "sku": SKU, "quantities": {}}],
            }
            taken = await self._send("vicino.order.placed.v1", f"order-{number}", data)
            self.accepted.tenants.append(taken["tenant_id"])
            await asyncio.sleep(pace_seconds)

    async def use(self, n: int, pace_seconds: float = 0.0) -> None:
        """So many usage events of firms that are active by now."""
        services = await self._ask(
            "select id, tenant_id from onboarding.service_instance where state = 'active'"
        )
        for _ in range(n):
            service, quantity = self._dice.choice(services), self._dice.randrange(1, 10**6)
            data = {"service_id": service["id"], "meter": METER, "quantity": str(quantity)}
            event_id = f"use-{len(self.accepted.usage)}"
            await self._send("vicino.usage.recorded.v1", event_id, data, service["tenant_id"])
            self.accepted.usage[event_id] = quantity
            await asyncio.sleep(pace_seconds)

    async def _ask(self, query: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(
            self.stack.superuser_url.rsplit("/", 1)[0] + f"/{DATABASE}"
        )
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def settle(self) -> None:
        """Wait until everything accepted has had its effect, and a little longer."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while (await self.count()).lost:
                await asyncio.sleep(0.3)
        await asyncio.sleep(1)

    async def count(self) -> Count:
        """Compare what was accepted with what came of it: in each place, each firm once."""
        told = {
            item.message_id: item.event["subject"]
            for item in self._receivers.of("vicino.tenant.activated.v1")
        }
        found = of_ids(Counter(told.values()), self.accepted.tenants)
        for place in PLACES:
            tenants = Counter(row["tenant_id"] for row in await self._ask(place))
            found += of_ids(tenants, self.accepted.tenants)
        return found + await self._databases() + await self._usage()

    async def _databases(self) -> Count:
        """The back-end: every service instance has its database, and there is no other."""
        services = await self._ask("select id from onboarding.service_instance")
        due = [
            derive(b64decode(self.stack.master_key), service["id"]).database for service in services
        ]
        made = await self._ask(r"select datname from pg_database where datname like 's\_%'")
        return of_ids(Counter(row["datname"] for row in made), due)

    async def _usage(self) -> Count:
        (row,) = await self._ask(
            "select coalesce(sum(n), 0)::int as n, sum(total)::bigint as total from billing.meter_bucket"
        )
        due, total = len(self.accepted.usage), sum(self.accepted.usage.values())
        return Count(
            max(0, due - row["n"]),
            max(0, row["n"] - due),
            row["n"] == due and (row["total"] or 0) != total,
        )


@asynccontextmanager
async def trading(on: Servers, seed: int) -> AsyncIterator[Trade]:
    """All services on these brokers, a catalogue, and one reseller with room for everybody."""
    name = f"trade-{uuid4().hex[:8]}"
    await ensure_topics(on.kafka.bootstrap, TOPICS, prefix=f"{name}.", replicas=len(on.kafka.nodes))
    receivers = Receivers()
    async with Home(on.home / name) as home, AsyncExitStack() as ending:
        with mock.patch.dict(os.environ, VICINO_KAFKA_BOOTSTRAP=on.kafka.bootstrap):
            stack = await ending.enter_async_context(
                Stack(home, services=SERVICES, topic_prefix=f"{name}.", own_postgres=True)
            )
        await receivers.start()
        ending.push_async_callback(receivers.stop)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
            operator = DemoClient(session, stack.address("gateway"), stack.operator_token)
            assert (
                await operator.call(
                    "PUT", "/operator/v1/catalogue", catalogue("http://127.0.0.1:9")
                )
            ).status == 200
            profile = {**PROFILE, "webhook_url": f"{receivers.url}/{RESELLER}"}
            answer = await operator.call("PUT", f"/operator/v1/resellers/{RESELLER}", profile)
            receivers.secrets[RESELLER] = answer.body["webhook_secret"]
            door = DemoClient(session, stack.address("gateway"), answer.body["api_key"])
            yield Trade(stack, door, receivers, random.Random(seed))
