"""Onboarding at work, for its tests: a back-end that can refuse, orders of made-up firms, and time in our hands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg

from schemas import identity
from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.envelope import Event
from schemas.orders import OrderPlaced
from services.chassis.clock import ManualClock
from services.local.demo.world import PARTIES, Backend, catalogue
from services.local.roles import PROVISIONER, ensure_provisioner
from services.onboarding.app import OnboardingSettings, build
from services.onboarding.domain.credentials import derive
from tests.support.databases import PASSWORD
from tests.support.premises import premises
from tests.support.running import Running, running, settings_for
from tests.support.servers import Addresses

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)

SOURCE = f"/test/{uuid4().hex[:8]}"
"""Of this process alone. Services are named by it, and so are their databases, on a server that other processes share."""


@dataclass
class Scenario:
    """Onboarding at work, with a back-end that can refuse, and time in our hands."""

    service: Running
    backend: Backend
    clock: ManualClock
    superuser_url: str

    async def know(self, *resellers: dict[str, Any]) -> None:
        """Publish the catalogue and some resellers, and wait until nothing is due."""
        await self.publish_known(*resellers)
        await self.service.settled()

    async def publish_known(self, *resellers: dict[str, Any]) -> None:
        """Publish the catalogue and some resellers."""
        spec = catalogue(self.backend.url)
        plans = CataloguePublished.model_validate({"revision": 1, **spec})
        profiles = [
            ResellerRegistered.model_validate(
                {**{k: v for k, v in r.items() if k != "id"}, "reseller_id": r["id"], "revision": n}
            )
            for n, r in enumerate(resellers, 2)
        ]
        await self.service.publish(
            *(event("catalogue", p, f"c{n}") for n, p in enumerate((plans, *profiles)))
        )

    async def leftovers(self, service_id: str) -> int:
        """Databases and logins that a service instance has."""
        name = derive(self.service.service.settings.key(), service_id).role
        connection = await asyncpg.connect(self.superuser_url)
        query = "select (select count(*) from pg_database where datname = $1) + (select count(*) from pg_roles where rolname = $1)"  # noqa: E501
        found = await connection.fetchval(query, name)
        await connection.close()
        return int(found)


@asynccontextmanager
async def opened(
    database: str, bootstrap: str, superuser_url: str, prefix: str, **more: Any
) -> AsyncIterator[Scenario]:
    """A scenario whose service has some settings of its own."""
    await ensure_provisioner(superuser_url, PASSWORD)
    settings = await settings_for(
        OnboardingSettings, "onboarding", database, bootstrap, prefix,
        provisioning_url=f"postgresql://{PROVISIONER}:{PASSWORD}@{superuser_url.split('@')[1]}",
        http_driver_allow="127.0.0.1", **more,
    )  # fmt: skip
    backend, clock = Backend(), ManualClock(NOW)
    await backend.start()
    async with running(build(settings), clock) as service:
        yield Scenario(service, backend, clock, superuser_url)
    await backend.stop()


@asynccontextmanager
async def shared_scenario(addresses: Addresses) -> AsyncIterator[Scenario]:
    """A scenario for several tests of a file, each of which orders for a firm of its own."""
    async with (
        premises(addresses) as (database, prefix),
        opened(database, addresses.bootstrap, addresses.superuser_url, prefix) as found,
    ):
        yield found


def event(subject: str, data: Any, event_id: str, revision: int | None = None) -> Event[Any]:
    return Event(event_id, SOURCE, data.wire_type, subject, NOW, data, revision=revision)


def order(firm: str, n: int, *skus: str, revision: int = 2) -> Event[OrderPlaced]:
    """A first order of a made-up firm in the town of the example's tenant `n`."""
    details = {k: v for k, v in PARTIES["tenants"][n].items() if k != "items"} | {
        "external_id": firm
    }
    items = [{"action": "add", "sku": sku} for sku in skus]
    data = OrderPlaced.model_validate({"reference": firm, "tenant": details, "items": items})
    return event(identity.tenant_id("IT", firm), data, f"order-{firm}", revision)


NEAR = {**PARTIES["resellers"][4], "capacity": 40, "active": 0}


async def places_taken(scenario: Scenario) -> tuple[int, int]:
    """Places counted at resellers, and tenants that are placed."""
    (row,) = await scenario.service.sql(
        "select (select sum(assigned) from reseller)::int as taken,"
        " (select count(*) from tenant where reseller_id is not null)::int as placed"
    )
    return row["taken"], row["placed"]
