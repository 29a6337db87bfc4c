"""Trouble becomes one alert for the right reseller, and ends as it should."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import product
from uuid import UUID, uuid4

import pytest

from schemas.alerts import (
    AlertAcknowledged,
    AlertEscalated,
    AlertOpened,
    AlertRaised,
    AlertResolved,
    EscalationReason,
)
from schemas.deliveries import Channel, DeliveryFailed
from schemas.envelope import Event
from schemas.signals import AcknowledgementGiven, HeartbeatReceived, IncidentReported, Severity
from schemas.tenants import ProvisioningFailed, ServiceActivated
from tests.integration.monitoring.scenario import (
    NOW,
    SERVICE,
    TENANT,
    Scenario,
    incident,
    open_scenario,
    serve,
)


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        yield found


async def test_silence_opens_one_alert_and_a_beat_ends_it(scenario: Scenario) -> None:
    await scenario.say(HeartbeatReceived(service_id=SERVICE))
    await scenario.after(minutes=89)
    assert await scenario.service.published(AlertOpened) == []
    await scenario.after(minutes=2)
    await scenario.after(minutes=200)
    (opened,) = await scenario.service.published(AlertOpened)
    assert (opened.data.reseller_id, opened.data.service_id, opened.data.visit.eligible) == (
        "VAR-TO-01",
        SERVICE,
        True,
    )
    await scenario.say(HeartbeatReceived(service_id=SERVICE))
    (resolved,) = await scenario.service.published(AlertResolved)
    assert resolved.data.by == "heartbeat"


async def test_a_beat_that_comes_before_its_service_is_known_arms_the_watch(
    scenario: Scenario,
) -> None:
    late = "33333333-3333-3333-3333-333333333333"
    now = scenario.clock.now()
    beat = HeartbeatReceived(service_id=late)
    await scenario.service.publish(
        Event("early", "/test", beat.wire_type, TENANT, now, beat, principal="VAR-TO-01")
    )

    async def waits() -> bool:
        return bool(
            await scenario.service.sql(
                "select 1 from job where kind = 'late_beat' and last_error is not null"
            )
        )

    await scenario.service.eventually(waits)
    activated = {
        "service_id": late,
        "order_id": TENANT,
        "item": 0,
        "sku": "ERP-CLOUD",
        "quantities": {},
        "effective_at": NOW,
    }
    known = ServiceActivated.model_validate(activated)
    await scenario.service.publish(
        Event("known", "/test", known.wire_type, TENANT, now, known, principal="VAR-TO-01")
    )

    async def is_known() -> bool:
        return bool(
            await scenario.service.sql("select 1 from job where kind = 'late_beat'")
        ) and bool(await scenario.service.sql("select 1 from service where id = $1", late))

    await scenario.service.eventually(is_known)
    await scenario.after(minutes=2)
    await scenario.after(minutes=91)
    (opened,) = await scenario.service.published(AlertOpened)
    assert opened.data.service_id == late


async def test_an_alert_nobody_answers_escalates_once(scenario: Scenario) -> None:
    await scenario.say(
        IncidentReported.model_validate(
            {"service_id": SERVICE, "severity": "P1", "summary": "down"}
        )
    )
    await scenario.after(minutes=59)
    assert await scenario.service.published(AlertEscalated) == []
    await scenario.after(minutes=2)
    await scenario.after(days=3)
    assert len(await scenario.service.published(AlertEscalated)) == 1


async def test_only_the_alerts_reseller_may_answer_and_an_answer_stops_the_clock(
    scenario: Scenario,
) -> None:
    await scenario.say(
        IncidentReported.model_validate(
            {"service_id": SERVICE, "severity": "P1", "summary": "down"}
        )
    )
    (opened,) = await scenario.service.published(AlertOpened)
    answer = AcknowledgementGiven(alert_id=opened.data.alert_id, by="desk")
    await scenario.say(answer, principal="VAR-MI-01")
    assert await scenario.service.published(AlertAcknowledged) == []
    assert [row["reason"] for row in await scenario.service.sql("select reason from reject")] == [
        "not_yours"
    ]
    await scenario.say(answer)
    await scenario.after(days=2)
    assert len(await scenario.service.published(AlertAcknowledged)) == 1
    assert await scenario.service.published(AlertEscalated) == []


async def test_more_severe_trouble_raises_the_open_alert_and_less_severe_never_lowers_it(
    scenario: Scenario,
) -> None:
    for n, (first, second) in enumerate(product(Severity, Severity), 1):
        service_id = str(UUID(int=n))
        await serve(scenario, service_id)
        await scenario.say(incident(service_id, first))
        await scenario.say(incident(service_id, second, "worse"))
    opened = {e.data.service_id: e.data for e in await scenario.service.published(AlertOpened)}
    raised = {e.data.service_id: e.data for e in await scenario.service.published(AlertRaised)}
    rows = {row["service_id"]: row for row in await scenario.service.sql("select * from alert")}
    due = {data.severity: data.acknowledge_by for data in opened.values()}
    for n, (first, second) in enumerate(product(Severity, Severity), 1):
        service_id, more = str(UUID(int=n)), second < first
        assert (service_id in raised) == more, (first, second)
        assert rows[service_id]["severity"] == min(first, second), (first, second)
        assert rows[service_id]["acknowledge_by"] == due[min(first, second)], (first, second)
        if more:
            said = raised[service_id]
            assert (said.before, said.severity, said.summary) == (first, second, "worse")
            assert said.alert_id == opened[service_id].alert_id


async def test_a_raised_alert_is_answered_anew_and_climbs_at_its_new_deadline(
    scenario: Scenario,
) -> None:
    await scenario.say(incident(SERVICE, "P4"))
    (opened,) = await scenario.service.published(AlertOpened)
    await scenario.say(AcknowledgementGiven(alert_id=opened.data.alert_id, by="desk"))
    await scenario.say(incident(SERVICE, "P1"))
    await scenario.after(minutes=59)
    assert await scenario.service.published(AlertEscalated) == []
    await scenario.after(minutes=2)
    assert len(await scenario.service.published(AlertEscalated)) == 1


FRIDAY_EVENING, HOLIDAY, NOON = (
    datetime(2026, 12, 4, 17, 1, tzinfo=UTC), datetime(2026, 12, 25, 3, tzinfo=UTC), datetime(2026, 12, 3, 11, tzinfo=UTC),
)  # fmt: skip


@pytest.mark.parametrize(
    "at", [FRIDAY_EVENING, HOLIDAY, NOON], ids=["friday evening", "a holiday", "a working noon"]
)
async def test_an_alert_that_nobody_could_be_told_of_climbs_at_once(
    scenario: Scenario, at: datetime
) -> None:
    scenario.clock.advance(at - scenario.clock.now())
    for n, severity in enumerate(Severity, 1):
        await serve(scenario, str(UUID(int=n)))
        await scenario.say(incident(str(UUID(int=n)), severity))
    opened = await scenario.service.published(AlertOpened)
    for each in opened:
        failed = {
            "notification_id": str(uuid4()),
            "about": each.type,
            "alert_id": each.data.alert_id,
            "attempts": 1,
        }
        said = {
            **failed,
            "recipient": "VAR-TO-01",
            "channel": Channel.WEBHOOK,
            "explanation": "410",
        }
        await scenario.say(DeliveryFailed.model_validate(said))
        await scenario.say(DeliveryFailed.model_validate({**said, "notification_id": str(uuid4())}))
    escalated = await scenario.service.published(AlertEscalated)
    assert {e.data.alert_id for e in escalated} == {e.data.alert_id for e in opened}
    assert len(escalated) == len(Severity)
    assert {(e.data.reason, e.data.escalated_at) for e in escalated} == {("delivery_failed", at)}


async def test_an_alert_somebody_has_in_hand_does_not_climb_for_a_failed_delivery(
    scenario: Scenario,
) -> None:
    await scenario.say(incident(SERVICE, "P1"))
    (opened,) = await scenario.service.published(AlertOpened)
    await scenario.say(AcknowledgementGiven(alert_id=opened.data.alert_id, by="desk"))
    failed = {
        "notification_id": TENANT,
        "about": opened.type,
        "alert_id": opened.data.alert_id,
        "attempts": 9,
    }
    said = {
        **failed,
        "recipient": "VAR-TO-01",
        "channel": Channel.WEBHOOK,
        "explanation": "no answer",
    }
    await scenario.say(DeliveryFailed.model_validate(said))
    assert await scenario.service.published(AlertEscalated) == []


async def test_trouble_of_a_tenant_without_a_reseller_goes_to_the_operator_at_once(
    scenario: Scenario,
) -> None:
    data = ProvisioningFailed(
        service_id=str(uuid4()),
        order_id=str(uuid4()),
        sku="MAIL-STD",
        step="http",
        attempts=3,
        explanation="503",
    )
    await scenario.service.publish(
        Event("p1", "/test", data.wire_type, str(uuid4()), scenario.clock.now(), data)
    )
    await scenario.service.settled()
    (opened,) = await scenario.service.published(AlertOpened)
    (escalated,) = await scenario.service.published(AlertEscalated)
    assert (opened.data.reseller_id, escalated.data.reason) == (None, EscalationReason.NO_RESELLER)
