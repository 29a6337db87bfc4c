"""Jobs and handlers that meet on the same rows, in scenes of the trade: nobody waits for a deadlock, and all act once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from schemas.alerts import AlertAcknowledged, AlertEscalated, AlertOpened
from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.envelope import Event
from schemas.signals import AcknowledgementGiven, DoorPulsed, HeartbeatReceived, IncidentReported
from schemas.tenants import OrderCompleted, ServiceActivated, TenantAssigned
from schemas.topics import SIGNALS
from services.chassis.clock import ManualClock
from services.gateway.inbound.pulse import subjects
from services.local.demo.world import PARTIES
from services.monitoring.app import MonitoringSettings, build
from tests.integration.onboarding.scenario import NEAR, opened, order
from tests.support.catalogue import CATALOGUE
from tests.support.deadlocks import deadlocks, meeting
from tests.support.running import Running, running, settings_for

COUNT = 60
JOBS, HANDLERS = 4, 3
"""So many of each wait at the rows before they are released."""
NOW = datetime(2026, 12, 3, 9, tzinfo=UTC)
RESELLER = "VAR-TO-01"
TENANTS = [str(UUID(int=n)) for n in range(1, 21)]


def tenant_of(n: int) -> str:
    return TENANTS[n % len(TENANTS)]


def service_of(n: int) -> str:
    return str(UUID(int=1_000 + n))


def said(payload: Any, subject: str, at: datetime = NOW) -> Event[Any]:
    return Event(str(uuid4()), "/test", payload.wire_type, subject, at, payload, principal=RESELLER)


async def furnish(monitoring: Running) -> None:
    """A reseller's tenants with three services each, all known."""
    profile = {k: v for k, v in PARTIES["resellers"][0].items() if k != "id"}
    assigned = {"reseller_id": RESELLER, "distance_km": "12.3", "score": "90", "ranking": []}
    active = {
        "order_id": TENANTS[0],
        "item": 0,
        "sku": "ERP-CLOUD",
        "quantities": {},
        "effective_at": NOW,
    }
    await monitoring.publish(
        said(CataloguePublished.model_validate({"revision": 1, **CATALOGUE}), "catalogue"),
        said(
            ResellerRegistered.model_validate({**profile, "reseller_id": RESELLER, "revision": 2}),
            "catalogue",
        ),
    )
    await monitoring.settled()
    await monitoring.publish(
        *(said(TenantAssigned.model_validate(assigned), tenant) for tenant in TENANTS)
    )
    await monitoring.publish(
        *(
            said(
                ServiceActivated.model_validate({**active, "service_id": service_of(n)}),
                tenant_of(n),
            )
            for n in range(COUNT)
        )
    )
    await monitoring.settled()


async def test_answers_that_come_at_the_deadline_meet_the_escalations(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(
        MonitoringSettings, "monitoring", database, bootstrap, topic_prefix
    )
    clock = ManualClock(NOW)
    async with running(build(settings), clock) as monitoring:
        await furnish(monitoring)
        trouble = {"severity": "P1", "summary": "down"}
        await monitoring.publish(
            *(
                said(
                    IncidentReported.model_validate({**trouble, "service_id": service_of(n)}),
                    tenant_of(n),
                )
                for n in range(COUNT)
            )
        )
        await monitoring.settled()
        alerts = await monitoring.published(AlertOpened)
        assert len(alerts) == COUNT
        async with meeting(database, "select 1 from monitoring.alert for update") as stand:
            clock.advance(timedelta(minutes=61))
            await stand(JOBS)
            await monitoring.publish(
                *(
                    said(
                        AcknowledgementGiven(alert_id=alert.data.alert_id, by="Ada"),
                        alert.subject,
                        clock.now(),
                    )
                    for alert in alerts
                )
            )
            await stand(JOBS + HANDLERS)
        await monitoring.settled()
        acknowledged = [
            event.data.alert_id for event in await monitoring.published(AlertAcknowledged)
        ]
        escalated = [event.data.alert_id for event in await monitoring.published(AlertEscalated)]
    assert await deadlocks(database) == 0
    assert sorted(acknowledged) == sorted(alert.data.alert_id for alert in alerts)
    assert len(escalated) == len(set(escalated))


async def test_after_a_restart_beats_meet_the_watches_that_are_due(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(
        MonitoringSettings, "monitoring", database, bootstrap, topic_prefix
    )
    clock = ManualClock(NOW)

    def beats(numbers: range) -> list[Event[Any]]:
        return [
            said(HeartbeatReceived(service_id=service_of(n)), tenant_of(n), clock.now())
            for n in numbers
        ]

    async with running(build(settings), clock) as monitoring:
        await furnish(monitoring)
        await monitoring.publish(*beats(range(COUNT)))
        await monitoring.settled()
    clock.advance(timedelta(minutes=91))
    async with running(build(settings), clock) as monitoring:
        async with meeting(database, "select 1 from monitoring.service for update") as stand:
            pulse = DoorPulsed(open_since=NOW)
            await monitoring.publish(
                *(said(pulse, subject, clock.now()) for subject in subjects(SIGNALS.partitions))
            )
            await stand(JOBS)
            await monitoring.publish(*beats(range(COUNT)))
            await stand(JOBS + HANDLERS)
        await monitoring.settled()
        silent = [event.data.service_id for event in await monitoring.published(AlertOpened)]
    assert await deadlocks(database) == 0
    assert len(silent) == len(set(silent))


async def test_two_orders_of_each_firm_meet_on_its_tenant(
    database: str, bootstrap: str, superuser_url: str, topic_prefix: str
) -> None:
    firms = COUNT // 2
    async with opened(database, bootstrap, superuser_url, topic_prefix) as scenario:
        first = [order(f"F{n}", 0, "MAIL-STD") for n in range(firms)]
        second = [
            Event(f"{event.id}-again", event.source, event.type, event.subject, event.time,
                  event.data.model_copy(update={"reference": f"{event.data.reference}-2"}), revision=event.revision)
            for event in first
        ]  # fmt: skip
        await scenario.service.publish(*first)
        await scenario.service.settled()
        async with meeting(database, "select 1 from onboarding.tenant for update") as stand:
            await scenario.know({**NEAR, "capacity": COUNT})
            scenario.clock.advance(timedelta(minutes=1))
            await stand(JOBS)
            await scenario.service.publish(*second)
            await stand(JOBS + HANDLERS)
        await scenario.service.settled()
        completed = [
            event.data.order_id for event in await scenario.service.published(OrderCompleted)
        ]
    assert await deadlocks(database) == 0
    assert len(completed) == len(set(completed)) == COUNT
