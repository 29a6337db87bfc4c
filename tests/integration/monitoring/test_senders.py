"""A signal's name is its sender's own, and only who serves the tenant when it acts may send one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.alerts import AlertAcknowledged, AlertOpened, AlertResolved
from schemas.envelope import Event, Payload
from schemas.signals import (
    AcknowledgementGiven,
    HeartbeatReceived,
    IncidentReported,
    ResolutionGiven,
)
from schemas.tenants import ServiceActivated, TenantAssigned
from services.chassis.clock import ManualClock
from services.monitoring.app import MonitoringSettings, build
from tests.support.before import alert_id, home_of_before, inbox_row
from tests.support.running import Running, running, settings_for

NOW = datetime(2026, 12, 3, 9, tzinfo=UTC)
TENANTS = {name: f"{n}1111111-1111-1111-1111-111111111111" for n, name in enumerate("AB", 1)}
SERVICES = {name: f"{n}2222222-2222-2222-2222-222222222222" for n, name in enumerate("AB", 1)}
MORE = "32222222-2222-2222-2222-222222222222"


def event(
    payload: Payload, id_: str, tenant: str = "A", principal: str | None = None
) -> Event[Any]:
    return Event(
        id_, "/nagios", payload.wire_type, TENANTS[tenant], NOW, payload, principal=principal
    )


def incident(
    id_: str, principal: str, tenant: str = "A", service: str = "", summary: str = "down"
) -> Event[Any]:
    data = {"service_id": service or SERVICES[tenant], "severity": "P1", "summary": summary}
    return event(IncidentReported.model_validate(data), id_, tenant, principal)


def assigned(reseller_id: str, tenant: str, id_: str) -> Event[Any]:
    data = {"reseller_id": reseller_id, "distance_km": "1.0", "score": "1", "ranking": []}
    return event(TenantAssigned.model_validate(data), id_, tenant)


def activated(service: str, tenant: str) -> Event[Any]:
    data = {
        "service_id": service, "order_id": service, "item": 0, "sku": "X", "quantities": {}, "effective_at": NOW,
    }  # fmt: skip
    return event(ServiceActivated.model_validate(data), f"activated-{service}", tenant)


async def say(service: Running, *events: Event[Any]) -> None:
    """Say events, and wait for all that follows."""
    await service.publish(*events)
    await service.settled()


async def furnish(service: Running) -> None:
    """Tenant A of VAR-A with two services, tenant B of VAR-B with one."""
    await say(service, assigned("VAR-A", "A", "a1"), assigned("VAR-B", "B", "b1"))
    await say(service, *(activated(SERVICES[name], name) for name in TENANTS), activated(MORE, "A"))


@pytest.fixture
async def settings(database: str, bootstrap: str, topic_prefix: str) -> MonitoringSettings:
    return await settings_for(MonitoringSettings, "monitoring", database, bootstrap, topic_prefix)


@pytest.mark.parametrize("senders", [("VAR-A", "erp"), ("erp", "VAR-A")], ids=" then ".join)
async def test_two_senders_with_one_source_and_id_both_open_an_alert(
    settings: MonitoringSettings, senders: tuple[str, str]
) -> None:
    async with running(build(settings), ManualClock(NOW)) as service:
        await furnish(service)
        await say(service, incident("1001", senders[0]), incident("1001", senders[1], service=MORE))
        await say(service, incident("1001", senders[0]))
        opened = {found.data.service_id for found in await service.published(AlertOpened)}
        assert opened == {SERVICES["A"], MORE}
        assert len({found.id for found in await service.published(AlertOpened)}) == 2
        await say(service, incident("1001", senders[0], summary="other"))
        assert [row["reason"] for row in await service.sql("select reason from reject")] == [
            "id_reuse"
        ]


async def test_the_same_source_and_id_at_two_tenants_opens_two_alerts(
    settings: MonitoringSettings,
) -> None:
    async with running(build(settings), ManualClock(NOW)) as service:
        await furnish(service)
        await say(service, incident("1001", "VAR-A", "A"), incident("1001", "VAR-B", "B"))
        assert len({found.data.alert_id for found in await service.published(AlertOpened)}) == 2


async def test_parts_of_a_name_cannot_be_shifted_into_another_name(
    settings: MonitoringSettings,
) -> None:
    async with running(build(settings), ManualClock(NOW)) as service:
        await furnish(service)
        one = replace(incident("c", "erp"), source="/a|b")
        other = replace(incident("b|c", "erp", service=MORE), source="/a")
        await say(service, one, other)
        assert len({found.data.alert_id for found in await service.published(AlertOpened)}) == 2


async def _alert(service: Running) -> str:
    await say(service, incident("first", "erp"))
    (opened,) = await service.published(AlertOpened)
    return opened.data.alert_id


@pytest.mark.parametrize("kind", ["acknowledgement", "resolution", "incident", "heartbeat"])
async def test_what_was_let_in_for_a_tenant_that_became_anothers_never_acts(
    settings: MonitoringSettings, kind: str
) -> None:
    async with running(build(settings), ManualClock(NOW)) as service:
        await furnish(service)
        open_alert = await _alert(service)
        await say(service, assigned("VAR-B", "A", "a2"))
        data: dict[str, Payload] = {
            "acknowledgement": AcknowledgementGiven(alert_id=open_alert, by="desk"),
            "resolution": ResolutionGiven(alert_id=open_alert, by="desk"),
            "incident": IncidentReported.model_validate(
                {"service_id": MORE, "severity": "P1", "summary": "down"}
            ),
            "heartbeat": HeartbeatReceived(service_id=SERVICES["A"]),
        }
        await say(service, event(data[kind], "x", principal="VAR-A"))
        assert [row["reason"] for row in await service.sql("select reason from reject")] == [
            "not_yours"
        ]
        assert len(await service.published(AlertOpened)) == 1
        assert not await service.published(AlertAcknowledged) + await service.published(
            AlertResolved
        )
        assert not await service.sql("select 1 from service where last_beat_at is not null")
        await say(service, event(data[kind], "x", principal="VAR-B"))
        acted = [
            *await service.published(AlertAcknowledged), *await service.published(AlertResolved),
            *await service.sql("select 1 from service where last_beat_at is not null"),
            *(await service.published(AlertOpened))[1:],
        ]  # fmt: skip
        assert len(acted) == 1


async def test_a_report_that_waited_for_its_service_is_judged_by_whose_tenant_it_is_then(
    settings: MonitoringSettings,
) -> None:
    async with running(build(settings), ManualClock(NOW)) as service:
        await service.publish(assigned("VAR-A", "A", "a1"), incident("1001", "VAR-A"))
        await service.eventually(lambda: service.sql("select 1 from job where kind = 'report'"))
        await service.publish(assigned("VAR-B", "A", "a2"))
        await service.eventually(
            lambda: service.sql("select 1 from tenant where reseller_id = 'VAR-B'")
        )
        await service.publish(activated(SERVICES["A"], "A"))
        await service.eventually(lambda: service.sql("select 1 from service"))

        async def report_has_ended() -> bool:
            service.runtime.clock.advance(timedelta(seconds=1))
            return not await service.sql("select 1 from job where kind = 'report'")

        await service.eventually(report_has_ended)
        assert await service.published(AlertOpened) == []


async def test_what_acted_before_principals_were_part_of_names_is_known(
    settings: MonitoringSettings,
) -> None:
    acted, alerted = incident("acted", "VAR-A"), incident("alerted", "VAR-A")
    async with home_of_before("monitoring", settings) as db:
        await db.execute(
            "insert into inbox (event_key, content_hash) values ($1, $2)", *inbox_row(acted)
        )
        await db.execute(
            "insert into alert (id, fingerprint, tenant_id, service_id, sku, kind, severity, reseller_id, summary, state,"
            " opened_at, acknowledge_by) values ($1, 'f', $2, $3, 'X', 'incident', 'P1', 'VAR-A', '', 'resolved', $4, $4)",
            alert_id("/nagios", "alerted"), TENANTS["A"], SERVICES["A"], NOW,
        )  # fmt: skip
    async with running(build(settings), ManualClock(NOW)) as service:
        await furnish(service)
        await say(service, acted, replace(acted, principal="erp"), alerted)
        assert (
            await service.published(AlertOpened),
            await service.sql("select 1 from reject"),
        ) == ([], [])
        await say(
            service, incident("acted", "erp", summary="other"), incident("alerted", "VAR-B", "B")
        )
        assert [row["reason"] for row in await service.sql("select reason from reject")] == [
            "id_reuse"
        ]
        assert len(await service.published(AlertOpened)) == 1
