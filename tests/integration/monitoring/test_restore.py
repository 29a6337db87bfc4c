"""A service whose database is restored to an earlier point, while Kafka is ahead, ends where it was."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from schemas.alerts import AlertOpened
from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.deliveries import Channel, DeliverySucceeded
from schemas.envelope import Event
from schemas.signals import AcknowledgementGiven, IncidentReported, ResolutionGiven
from schemas.tenants import ServiceActivated, TenantAssigned
from services.chassis.clock import ManualClock
from services.console.app import ConsoleSettings
from services.console.app import build as build_console
from services.local.demo.world import PARTIES
from services.local.roles import ensure_service
from services.monitoring.app import MonitoringSettings, build
from tests.support.catalogue import CATALOGUE
from tests.support.databases import PASSWORD
from tests.support.running import Running, running, settings_for

NOW = datetime(2026, 12, 3, 9, tzinfo=UTC)
TENANT, RESELLER = "11111111-1111-1111-1111-111111111111", "VAR-TO-01"
SERVICES = [str(uuid4()) for _ in range(4)]


def event(payload: Any) -> Event[Any]:
    subject = "catalogue" if payload.topic.key == "catalogue" else TENANT
    door = payload.topic.name == "signals.v1"
    principal = RESELLER if door else None
    return Event(
        str(uuid4()), "/test", payload.wire_type, subject, NOW, payload, principal=principal
    )


def beginning() -> list[Event[Any]]:
    reseller = {k: v for k, v in PARTIES["resellers"][0].items() if k != "id"}
    assigned = {"reseller_id": RESELLER, "distance_km": "12.3", "score": "90", "ranking": []}
    active = {
        "order_id": TENANT,
        "item": 0,
        "sku": "ERP-CLOUD",
        "quantities": {},
        "effective_at": NOW,
    }
    return [
        event(CataloguePublished.model_validate({"revision": 1, **CATALOGUE})),
        event(ResellerRegistered.model_validate({**reseller, "reseller_id": RESELLER, "revision": 2})),
        event(TenantAssigned.model_validate(assigned)),
        *(event(ServiceActivated.model_validate({**active, "service_id": each, "item": n})) for n, each in enumerate(SERVICES)),
    ]  # fmt: skip


def steps() -> list[tuple[str, str]]:
    """What happens, in order: all is reported and delivered, most is acknowledged, half is resolved."""
    told = [(step, service) for service in SERVICES for step in ("report", "deliver")]
    return [
        *told,
        *(("acknowledge", each) for each in SERVICES[:3]),
        *(("resolve", each) for each in SERVICES[:2]),
    ]


async def take(step: str, service_id: str, service: Running) -> None:
    """One step, and everything that follows from it."""
    if step == "report":
        said: Any = IncidentReported.model_validate(
            {"service_id": service_id, "severity": "P2", "summary": "down"}
        )
    else:
        opened = {
            fact.data.service_id: fact.data.alert_id
            for fact in await service.published(AlertOpened)
        }
        alert_id = opened[service_id]
        said = {
            "deliver": DeliverySucceeded(
                notification_id=str(uuid4()), recipient=RESELLER, channel=Channel.WEBHOOK,
                about=AlertOpened.wire_type, alert_id=alert_id, attempts=1, delivered_at=NOW,
            ),
            "acknowledge": AcknowledgementGiven(alert_id=alert_id, by="desk"),
            "resolve": ResolutionGiven(alert_id=alert_id, by="desk"),
        }[step]  # fmt: skip
    await service.publish(event(said))
    await service.settled()


async def copy_of(superuser_url: str, database: str, service: str) -> str:
    """The superuser's URL of a copy of a database that nobody uses; dropped with the server of the test run."""
    name, copy = database.rsplit("/", 1)[1], f"test_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute(f'create database "{copy}" template "{name}"')
    finally:
        await connection.close()
    url = database.rsplit("/", 1)[0] + f"/{copy}"
    await ensure_service(url, copy, service, PASSWORD)
    return url


async def alerts(service: Running) -> dict[str, tuple[Any, ...]]:
    rows = await service.sql("select id, service_id, state, notified_at from alert order by id")
    return {row["id"]: tuple(row) for row in rows}


async def rejects(service: Running) -> list[str]:
    return [row["reason"] for row in await service.sql("select reason from reject")]


@pytest.mark.parametrize("seed", range(3))
async def test_restored_to_any_point_the_alerts_end_as_they_were_and_nothing_is_refused(
    database: str, superuser_url: str, bootstrap: str, topic_prefix: str, seed: int
) -> None:
    cut = random.Random(seed).randrange(len(steps()))
    settings = await settings_for(
        MonitoringSettings, "monitoring", database, bootstrap, topic_prefix
    )
    reader = await settings_for(ConsoleSettings, "console", database, bootstrap, topic_prefix)
    async with running(build(settings), ManualClock(NOW)) as service:
        await service.publish(*beginning())
        await service.settled()
        for step in steps()[:cut]:
            await take(*step, service)
    earlier = await copy_of(superuser_url, database, "monitoring")
    async with running(build(settings), ManualClock(NOW)) as service:
        for step in steps()[cut:]:
            await take(*step, service)
        before = await alerts(service)
    async with running(build_console(reader)) as console:
        await console.settled()
        shown = await console.sql("select * from alert order by id")

        address = settings.postgres_url.rsplit("/", 1)[0] + "/" + earlier.rsplit("/", 1)[1]
        restored = settings.model_copy(update={"postgres_url": address})
        async with running(build(restored), ManualClock(NOW + timedelta(minutes=3))) as service:
            await service.settled()

            async def nothing_waits() -> bool:
                return not await service.sql("select 1 from parked")

            await service.eventually(nothing_waits)
            await service.settled()
            assert await alerts(service) == before, f"restored to step {cut}"
            assert await rejects(service) == []
        await console.settled()
        assert await console.sql("select * from alert order by id") == shown
        assert await rejects(console) == []


async def test_an_answer_to_an_alert_that_never_comes_is_refused_after_the_bound(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(
        MonitoringSettings, "monitoring", database, bootstrap, topic_prefix, parked_seconds_max=1.0
    )
    async with running(build(settings), ManualClock(NOW)) as service:
        answer = event(AcknowledgementGiven(alert_id=str(uuid4()), by="desk"))
        await service.publish(answer, answer)

        async def refused() -> list[str]:
            return await rejects(service)

        assert await service.eventually(refused) == ["unknown_alert"]
        assert await service.sql("select 1 from parked") == []


async def test_what_waits_without_limit_of_one_tenant_is_refused_at_once(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(
        MonitoringSettings, "monitoring", database, bootstrap, topic_prefix
    )
    async with running(build(settings), ManualClock(NOW)) as service:
        answers = [
            event(AcknowledgementGiven(alert_id=str(uuid4()), by="desk")) for _ in range(130)
        ]
        await service.publish(*answers)
        await service.settled()
        assert len(await service.sql("select 1 from parked")) == 100
        assert await rejects(service) == ["unknown_alert"] * 30


async def test_a_partner_that_uses_an_id_again_is_refused_though_it_names_itself_as_one_of_us(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(
        MonitoringSettings, "monitoring", database, bootstrap, topic_prefix
    )
    async with running(build(settings), ManualClock(NOW)) as service:
        said = IncidentReported.model_validate(
            {"service_id": SERVICES[0], "severity": "P2", "summary": "down"}
        )
        first = replace(event(said), source="/vicino/gateway")
        await service.publish(first, replace(first, data=said.model_copy(update={"summary": "up"})))

        async def refused() -> list[str]:
            return await rejects(service)

        assert await service.eventually(refused) == ["id_reuse"]
