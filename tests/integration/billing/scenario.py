"""Billing at work, with time in our hands: what tests tell it, wait for, and ask."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import aiohttp

from schemas.billing import InvoiceIssued
from schemas.catalogue import CataloguePublished
from schemas.envelope import Event
from schemas.tenants import ServiceActivated
from schemas.topics import USAGE
from schemas.usage import UsageRecorded
from services.billing.app import BillingSettings, build
from services.billing.domain.periods import midnight
from services.billing.metering.checks import Difference
from services.billing.metering.tools import verified
from services.chassis.clock import ManualClock
from services.chassis.rejects import replay
from tests.support.catalogue import ROME
from tests.support.premises import premises
from tests.support.running import Running, running, settings_for
from tests.support.servers import Addresses

START = datetime(2026, 11, 1, tzinfo=ROME).astimezone(UTC)
TENANT = "11111111-1111-1111-1111-111111111111"
GRACE = timedelta(hours=49)
STORAGE = "mail_storage_overage_gb_month"
ERP, MAIL = "22222222-2222-2222-2222-222222222222", "33333333-3333-3333-3333-333333333333"


@dataclass
class Scenario:
    """A running billing service, and whoever looks at it."""

    service: Running
    clock: ManualClock
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where billing's own role finds its database."""
        return self.service.service.settings.postgres_url

    async def replay(self, ids: list[int], reason: str | None) -> int:
        """Send billing's rejects again, and wait until all that follows is done."""
        settings = self.service.service.settings
        n = await replay(self.url, "billing", ids, reason, settings.kafka(), settings.topic_prefix)
        await self.service.settled()
        return n

    async def account(self) -> dict[tuple[str, str], int]:
        """What became of usage."""
        rows = await self.service.sql(
            "select outcome, reason, sum(n)::int as n from usage_tally group by 1, 2"
        )
        return {(row["outcome"], row["reason"]): row["n"] for row in rows if row["n"]}

    async def publish(self, *events: Event[Any]) -> None:
        """Publish the catalogue, then facts, then usage; wait each time until all that follows is done."""
        # On another topic each, they may overtake one another. A service that comes before its plan is
        # looked at again some time later, and time stands still here; so is usage that meets its service
        # as that becomes known.
        catalogues = [event for event in events if isinstance(event.data, CataloguePublished)]
        usage = [event for event in events if isinstance(event.data, UsageRecorded)]
        facts = [event for event in events if event not in catalogues and event not in usage]
        for told in (catalogues, facts, usage):
            if told:
                await self.service.publish(*told)
                await self.service.settled()

    async def tamper(self, table: str, statement: str) -> None:
        """Change what is final, as only somebody can who takes its trigger away."""
        await self.service.sql(f"alter table {table} disable trigger final")
        await self.service.sql(statement)
        await self.service.sql(f"alter table {table} enable trigger final")

    async def slice(self, *raws: bytes, part: int = 0) -> None:
        """Put usage on a partition in one batch: it comes as one slice."""
        producer = self.service._producer
        batch = producer.create_batch()
        assert all(batch.append(key=b"any", value=raw, timestamp=None) for raw in raws)
        batch.close()
        await (
            await producer.send_batch(
                batch, self.service.service.settings.topic_prefix + USAGE.name, partition=part
            )
        )

    async def waiting_for_a_lock(self, n: int) -> None:
        """Wait until so many of billing's transactions wait for a lock."""
        query = "select count(*) = $1 as so from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"

        async def so_many() -> bool:
            return bool((await self.service.sql(query, n))[0]["so"])

        await self.service.eventually(so_many)

    async def get(self, path: str, **params: str | Sequence[str]) -> Any:
        """Ask the API, as the operator."""
        pairs = [
            (name, text)
            for name, found in params.items()
            for text in ([found] if isinstance(found, str) else found)
        ]
        headers = {"authorization": "Bearer operator-for-tests"}
        async with self.session.get(
            self.service.url + path, params=pairs, headers=headers
        ) as answer:
            found = await answer.json()
            return found if answer.status == 200 else (answer.status, found)

    async def put(self, path: str, body: Any) -> tuple[int, Any]:
        """Tell the API, as the operator: its status, and what it answers."""
        headers = {"authorization": "Bearer operator-for-tests"}
        async with self.session.put(self.service.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.status != 204 else None

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Ask the API by a body, as the operator: its status, and what it answers."""
        headers = {"authorization": "Bearer operator-for-tests"}
        async with self.session.post(self.service.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def differences(
        self, first: date, after: date, meter: str | None = None
    ) -> list[Difference]:
        """Where buckets are not what their events come to."""
        return [
            one
            async for _, outcome in verified(self.url, first, after, meter, None)
            for one in outcome.differences
        ]


@asynccontextmanager
async def open_scenario(
    database: str,
    bootstrap: str,
    prefix: str,
    at: datetime = START + timedelta(hours=1),
    **settings: Any,
) -> AsyncIterator[Scenario]:
    """Start billing on a database; one that was stopped goes on."""
    found = await settings_for(BillingSettings, "billing", database, bootstrap, prefix, **settings)
    clock = ManualClock(at)
    async with running(build(found), clock) as service, aiohttp.ClientSession() as session:
        yield Scenario(service, clock, session)


@asynccontextmanager
async def shared_scenario(
    addresses: Addresses, at: datetime = START + timedelta(hours=1)
) -> AsyncIterator[Scenario]:
    """A scenario for all tests of a file, each of which leaves it as it was."""
    async with (
        premises(addresses) as (database, prefix),
        open_scenario(database, addresses.bootstrap, prefix, at) as found,
    ):
        yield found


def catalogue(content: dict[str, Any], revision: int = 1) -> Event[CataloguePublished]:
    """The operator's catalogue."""
    data = CataloguePublished.model_validate({"revision": revision, **content})
    return Event(f"c{revision}", "/test", data.wire_type, "catalogue", START, data)


def fact(payload: Any, event_id: str, tenant: str = TENANT) -> Event[Any]:
    """Something about a tenant."""
    return Event(event_id, "/test", payload.wire_type, tenant, START, payload)


def activated(
    service_id: str,
    sku: str,
    item: int = 0,
    at: datetime = START,
    tenant: str = TENANT,
    **quantities: str,
) -> Event[ServiceActivated]:
    """A service that is sold and serves."""
    data = {
        "service_id": service_id,
        "order_id": tenant,
        "item": item,
        "sku": sku,
        "quantities": quantities,
        "effective_at": at,
    }
    return fact(ServiceActivated.model_validate(data), f"activated-{service_id}", tenant)


def used(
    event_id: str, at: datetime, service_id: str = ERP, meter: str = "e_invoices", tenant: str = TENANT,
    revision: int | None = None, **data: Any,
) -> Event[UsageRecorded]:  # fmt: skip
    """Something measured."""
    payload = UsageRecorded.model_validate({"service_id": service_id, "meter": meter, **data})
    return Event(event_id, "/test", payload.wire_type, tenant, at, payload, revision=revision)


def day(text: str, hours: float = 0) -> datetime:
    """Some hours into a civil day."""
    return midnight(date.fromisoformat(text), ROME) + timedelta(hours=hours)


async def run_until(scenario: Scenario, *boundaries: str) -> None:
    """Let the runs of boundaries be made, each in its time."""
    for boundary in boundaries:
        scenario.clock.set(day(boundary) + GRACE)
        await scenario.service.settled()


async def issued(scenario: Scenario, boundary: str, tipo: str = "TD01") -> InvoiceIssued | None:
    found = [
        event.data for event in await scenario.service.published(InvoiceIssued)
        if (str(event.data.date), event.data.tipo_documento) == (boundary, tipo)
    ]  # fmt: skip
    assert len(found) <= 1
    return found[0] if found else None


async def told(
    scenario: Scenario, boundary: str, component: str, tipo: str = "TD01"
) -> Sequence[tuple[str, str, str]]:
    """The lines of a component on a document: first day, quantity, net."""
    document = await issued(scenario, boundary, tipo)
    assert document is not None, f"no {tipo} of {boundary}"
    return [
        (str(line.period_from), f"{line.quantity.normalize():f}", str(line.net))
        for line in document.lines if line.sku == component
    ]  # fmt: skip
