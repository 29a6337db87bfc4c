"""How long a firm waits for somebody to take its trouble in hand is measured from when the answer was due."""

from datetime import timedelta

from schemas.alerts import AlertOpened
from schemas.signals import AcknowledgementGiven, IncidentReported, Severity
from services.chassis.waiting import measure
from services.monitoring.app import WAITING
from tests.integration.monitoring.scenario import SERVICE, open_scenario
from tests.support.waits import waits


async def test_an_alert_waits_from_when_its_answer_was_due_until_somebody_answers(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        report = IncidentReported(service_id=SERVICE, severity=Severity.P1, summary="it is down")
        await scenario.say(report)
        [opened] = await scenario.service.published(AlertOpened)
        await measure(scenario.service.runtime, WAITING)
        assert waits("alert") == (0, 0)
        late = opened.data.acknowledge_by - scenario.clock.now() + timedelta(minutes=20)
        await scenario.after(seconds=late.total_seconds())
        await measure(scenario.service.runtime, WAITING)
        assert waits("alert") == (1, 1200)
        await scenario.say(AcknowledgementGiven(alert_id=opened.data.alert_id, by="x"))
        await measure(scenario.service.runtime, WAITING)
        assert waits("alert") == (0, 0)
