"""All services at work on one database and one broker, and a person who can be recognised wherever they are named."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from services.console.app import ConsoleSettings
from services.console.app import build as build_console
from services.local.demo.world import Backend, Receivers, catalogue
from services.local.roles import PROVISIONER, ensure_provisioner
from services.monitoring.app import MonitoringSettings
from services.monitoring.app import build as build_monitoring
from services.onboarding.app import OnboardingSettings
from services.onboarding.app import build as build_onboarding
from tests.integration.gateway.world import (
    World,
    cloud_event,
    open_world,
    order_data,
    reseller,
    tenant_of,
)
from tests.support.databases import PASSWORD
from tests.support.running import Running, running, settings_for
from tests.support.searching import files, found_in, tables, topics
from tests.support.servers import Addresses

TICK_SECONDS = 0.05


@dataclass(frozen=True)
class Person:
    """Somebody whose every word occurs nowhere else."""

    name: str
    phone: str
    email: str
    by: str
    note: str
    reason: str

    @property
    def contact(self) -> dict[str, str]:
        return {"name": self.name, "phone": self.phone, "email": self.email}

    @property
    def words(self) -> tuple[str, ...]:
        return (self.name, self.phone, self.email, self.by, self.note, self.reason)


def person() -> Person:
    """Somebody new."""
    mark = uuid4().hex
    return Person(
        f"Zoë {mark[:12]} Rossi", f"+39{int(mark[:14], 16) % 10**15:015d}", f"zoe.{mark[12:24]}@marker.example",
        f"Ivo {mark[:8]} at the scenario", f"Ivo {mark[8:16]} spoke with Zoë {mark}", f"because {mark[16:]} knows Zoë",
    )  # fmt: skip


@dataclass
class Street:
    """Everything at work."""

    world: World
    onboarding: Running
    monitoring: Running
    console: Running
    receivers: Receivers
    database: str
    bootstrap: str
    prefix: str
    home: Path

    async def settled(self) -> None:
        """Wait until every service has done what there is to do, and nothing new came of it."""
        before: dict[Any, int] = {}
        while True:
            for service in (self.world.gateway, self.onboarding, self.monitoring, self.console):
                await service.settled()
            ends = await self.world.gateway.ends(
                {topic for each in self.services for topic in each._topics()}
            )
            if ends == before:
                return
            before = ends

    @property
    def services(self) -> tuple[Running, ...]:
        return (self.world.gateway, self.onboarding, self.monitoring, self.console)

    async def service_of(self, firm: str) -> str:
        """The id of a firm's service, once the doors know it."""

        async def known() -> Any:
            return await self.world.gateway.sql(
                "select id from service where tenant_id = $1", tenant_of(firm)
            )

        return str((await self.world.gateway.eventually(known))[0]["id"])

    async def open_alert(self, firm: str) -> str:
        """Report trouble of a firm; the id of the alert, once the door knows it."""
        data = {
            "service_id": await self.service_of(firm),
            "severity": "P2",
            "summary": "the printer is silent",
        }
        assert (
            await self.world.post(cloud_event("vicino.incident.reported.v1", data, tenant_of(firm)))
        ).status == 202

        async def opened() -> Any:
            return await self.monitoring.sql(
                "select id from alert where tenant_id = $1", tenant_of(firm)
            )

        alert_id = str((await self.monitoring.eventually(opened))[-1]["id"])

        async def known() -> Any:
            return await self.world.gateway.sql("select 1 from alert where id = $1", alert_id)

        await self.world.gateway.eventually(known)
        return alert_id

    async def where(self, words: tuple[str, ...], log: str = "") -> dict[str, set[str]]:
        """Where words can be read: tables, topics, the log, files of the servers."""
        superuser = await asyncpg.connect(self.database)
        await superuser.execute("checkpoint")
        await superuser.close()
        places = {
            "the log": log.encode(),
            **await tables(self.database),
            **await topics(self.bootstrap, self.prefix),
        }
        found = {place: found_in(content, words) for place, content in places.items()}
        for place, content in files(self.home):
            found[place] = {word for word in words if word.encode() in content}
        return {place: seen for place, seen in found.items() if seen}


@asynccontextmanager
async def open_street(
    addresses: Addresses, database: str, prefix: str, **more: Any
) -> AsyncIterator[Street]:
    """A street on which firms order, are served by VAR-A, and have trouble."""
    superuser_url, bootstrap = addresses.superuser_url, addresses.bootstrap
    await ensure_provisioner(superuser_url, PASSWORD)
    provisioning = f"postgresql://{PROVISIONER}:{PASSWORD}@{superuser_url.split('@')[1]}"
    backend, receivers = Backend(), Receivers()
    async with AsyncExitStack() as stack:
        for each in (backend, receivers):
            await each.start()
            stack.push_async_callback(each.stop)
        world = await stack.enter_async_context(open_world(database, bootstrap, prefix, **more))
        at = (database, bootstrap, prefix)
        onboarding = build_onboarding(
            await settings_for(
                OnboardingSettings,
                "onboarding",
                *at,
                provisioning_url=provisioning,
                http_driver_allow="127.0.0.1",
            )
        )
        monitoring = build_monitoring(await settings_for(MonitoringSettings, "monitoring", *at))
        console = build_console(await settings_for(ConsoleSettings, "console", *at))
        left = [
            await stack.enter_async_context(running(each, world.clock))
            for each in (onboarding, monitoring, console)
        ]
        street = Street(world, left[0], left[1], left[2], receivers, *at, Path(addresses.home))
        going = asyncio.create_task(_go_on(world))
        stack.callback(going.cancel)
        assert (
            await world.call("PUT", "/operator/v1/catalogue", catalogue(backend.url))
        ).status == 200
        receivers.secrets = dict(world.secrets)
        for name, capacity in (("VAR-A", 10), ("VAR-B", 0)):
            spec = reseller(name, f"{receivers.url}/{name}") | {"capacity": capacity}
            assert (await world.call("PUT", f"/operator/v1/resellers/{name}", spec)).status == 200
        yield street


async def _go_on(world: World) -> None:
    """Time goes on, so that what is to be tried again later is."""
    while True:
        await asyncio.sleep(TICK_SECONDS)
        world.clock.advance(timedelta(seconds=TICK_SECONDS))


def order_of(firm: str, someone: Person, **more: Any) -> dict[str, Any]:
    """A firm's first order, which names someone."""
    data = order_data(firm)
    data["tenant"]["contact"] = someone.contact
    return cloud_event("vicino.order.placed.v1", data, **more)
