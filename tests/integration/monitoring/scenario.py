"""Monitoring at work with one reseller and one tenant, and time in the test's hands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.envelope import Event
from schemas.signals import IncidentReported
from schemas.tenants import ServiceActivated, TenantAssigned
from services.chassis.clock import ManualClock
from services.local.demo.world import PARTIES
from services.monitoring.app import MonitoringSettings, build
from tests.support.catalogue import CATALOGUE
from tests.support.running import Running, running, settings_for

NOW = datetime(2026, 12, 3, 9, tzinfo=UTC)
TENANT, SERVICE = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


@dataclass
class Scenario:
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
            Event(
                f"e{self.n}", "/test", payload.wire_type, subject, now, payload, principal=principal
            )
        )
        await self.service.settled()

    async def after(self, **span: float) -> None:
        """Let time pass, and everything that was due happen."""
        self.clock.advance(timedelta(**span))
        await self.service.settled()


@asynccontextmanager
async def open_scenario(
    database: str, bootstrap: str, topic_prefix: str, **more: Any
) -> AsyncIterator[Scenario]:
    """A service of the reseller VAR-TO-01, that sends beats."""
    settings = await settings_for(
        MonitoringSettings, "monitoring", database, bootstrap, topic_prefix, **more
    )
    clock = ManualClock(NOW)
    async with running(build(settings), clock) as service:
        found = Scenario(service, clock)
        reseller = {k: v for k, v in PARTIES["resellers"][0].items() if k != "id"}
        await found.say(CataloguePublished.model_validate({"revision": 1, **CATALOGUE}))
        await found.say(
            ResellerRegistered.model_validate(
                {**reseller, "reseller_id": "VAR-TO-01", "revision": 2}
            )
        )
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


def incident(service_id: str, severity: str, summary: str = "down") -> IncidentReported:
    """Trouble as somebody reports it."""
    return IncidentReported.model_validate(
        {"service_id": service_id, "severity": severity, "summary": summary}
    )


async def serve(scenario: Scenario, service_id: str) -> None:
    """Make one more service known."""
    data = {
        "service_id": service_id,
        "order_id": TENANT,
        "item": 0,
        "sku": "ERP-CLOUD",
        "quantities": {},
    }
    await scenario.say(ServiceActivated.model_validate({**data, "effective_at": NOW}))
