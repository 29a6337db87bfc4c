"""Trouble becomes one alert for the right reseller, and ends as it should."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.alerts import AlertAcknowledged, AlertEscalated, AlertOpened, AlertResolved
from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.envelope import Event
from schemas.signals import AcknowledgementGiven, HeartbeatReceived, IncidentReported
from schemas.tenants import ServiceActivated, TenantAssigned
from services.chassis.clock import ManualClock
from services.local.demo.world import PARTIES
from services.monitoring.app import MonitoringSettings, build
from tests.support.catalogue import CATALOGUE
from tests.support.running import Running, running, settings_for

NOW = datetime(2026, 12, 3, 9, tzinfo=UTC)
TENANT, SERVICE = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


@dataclass
class Desk:
    """Monitoring at work, and time in our hands."""

    service: Running
    clock: ManualClock
    n: int = 0

    async def say(self, payload: Any, principal: str = "VAR-TO-01") -> None:
        """An event, and everything that follows from it."""
        self.n += 1
        subject = "catalogue" if payload.topic.key == "catalogue" else TENANT
        now = self.clock.now()
        await self.service.publish(
            Event(f"e{self.n}", "/test", payload.wire_type, subject, now, payload, principal=principal)
        )
        await self.service.settled()

    async def after(self, **span: float) -> None:
        """Let time pass, and everything that was due happen."""
        self.clock.advance(timedelta(**span))
        await self.service.settled()


@pytest.fixture
async def desk(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Desk]:
    settings = await settings_for(MonitoringSettings, "monitoring", database, bootstrap, topic_prefix)
    clock = ManualClock(NOW)
    async with running(build(settings), clock) as service:
        found = Desk(service, clock)
        reseller = {k: v for k, v in PARTIES["resellers"][0].items() if k != "id"}
        await found.say(CataloguePublished.model_validate({"revision": 1, **CATALOGUE}))
        await found.say(ResellerRegistered.model_validate({**reseller, "reseller_id": "VAR-TO-01", "revision": 2}))
        await found.say(
            TenantAssigned.model_validate(
                {"reseller_id": "VAR-TO-01", "distance_km": "12.3", "score": "90", "ranking": []}
            )
        )
        data = {
            "service_id": SERVICE,
            "order_id": TENANT,
            "item": 0,
            "sku": "ERP-CLOUD",
            "quantities": {},
            "effective_at": NOW,
        }
        await found.say(ServiceActivated.model_validate(data))
        yield found


async def test_silence_opens_one_alert_and_a_beat_ends_it(desk: Desk) -> None:
    await desk.say(HeartbeatReceived(service_id=SERVICE))
    await desk.after(minutes=89)
    assert await desk.service.published(AlertOpened) == []
    await desk.after(minutes=2)
    await desk.after(minutes=200)
    (opened,) = await desk.service.published(AlertOpened)
    assert (opened.data.reseller_id, opened.data.service_id, opened.data.visit.eligible) == ("VAR-TO-01", SERVICE, True)
    await desk.say(HeartbeatReceived(service_id=SERVICE))
    (resolved,) = await desk.service.published(AlertResolved)
    assert resolved.data.by == "heartbeat"


async def test_an_alert_nobody_answers_escalates_once(desk: Desk) -> None:
    await desk.say(IncidentReported.model_validate({"service_id": SERVICE, "severity": "P1", "summary": "down"}))
    await desk.after(minutes=59)
    assert await desk.service.published(AlertEscalated) == []
    await desk.after(minutes=2)
    await desk.after(days=3)
    assert len(await desk.service.published(AlertEscalated)) == 1


async def test_only_the_alerts_reseller_may_answer_and_an_answer_stops_the_clock(desk: Desk) -> None:
    await desk.say(IncidentReported.model_validate({"service_id": SERVICE, "severity": "P1", "summary": "down"}))
    (opened,) = await desk.service.published(AlertOpened)
    answer = AcknowledgementGiven(alert_id=opened.data.alert_id, by="desk")
    await desk.say(answer, principal="VAR-MI-01")
    assert await desk.service.published(AlertAcknowledged) == []
    assert [row["reason"] for row in await desk.service.sql("select reason from reject")] == ["not_yours"]
    await desk.say(answer)
    await desk.after(days=2)
    assert len(await desk.service.published(AlertAcknowledged)) == 1
    assert await desk.service.published(AlertEscalated) == []
