"""Monitoring, on its database and its topics, tells every story of an alert to the end that the oracle says."""

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.alerts import (
    AlertAcknowledged,
    AlertEscalated,
    AlertOpened,
    AlertRaised,
    AlertResolved,
)
from schemas.deliveries import Channel, DeliveryFailed
from schemas.envelope import Event
from schemas.signals import AcknowledgementGiven, ResolutionGiven, Severity
from tests.integration.monitoring.scenario import TENANT, Scenario, incident, open_scenario, serve
from tests.support.alert_stories import (
    ACKNOWLEDGE,
    AGAIN,
    DEADLINE,
    RESOLVE,
    STEPS,
    UNDELIVERED,
    episodes,
)

SERVICES, LENGTH = 40, 14
TOLD: dict[type[Any], str] = {
    AlertOpened: "opened", AlertRaised: "raised", AlertEscalated: "escalated", AlertAcknowledged: "acknowledged",
    AlertResolved: "resolved",
}  # fmt: skip


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        yield found


@dataclass
class Told:
    """A story of one service, as monitoring reads it."""

    service_id: str
    steps: list[str]
    alert_id: str | None = None
    last: Event[Any] | None = None
    heard: list[str] = field(default_factory=list)

    def event(self, step: str, dice: random.Random, scenario: Scenario) -> Event[Any] | None:
        """What is sent for a step; None when there is nothing to send."""
        if step == AGAIN:
            return self.last
        payload = self._payload(step, dice)
        if payload is None:
            return None
        principal = "VAR-TO-01" if payload.topic.name == "signals.v1" else None
        now = scenario.clock.now()
        self.last = Event(
            str(uuid4()), "/test", payload.wire_type, TENANT, now, payload, principal=principal
        )
        return self.last

    def _payload(self, step: str, dice: random.Random) -> Any:
        if step in list(Severity):
            return incident(self.service_id, step)
        if self.alert_id is None:
            return None
        if step == ACKNOWLEDGE:
            return AcknowledgementGiven(alert_id=self.alert_id, by="desk")
        if step == RESOLVE:
            return ResolutionGiven(alert_id=self.alert_id, by="desk")
        if step == UNDELIVERED:
            about = dice.choice([AlertOpened.wire_type, AlertRaised.wire_type])
            return DeliveryFailed(
                notification_id=str(uuid4()), about=about, alert_id=self.alert_id, recipient="VAR-TO-01",
                channel=Channel.WEBHOOK, attempts=1, explanation="410",
            )  # fmt: skip
        return None


def plot(dice: random.Random) -> list[Told]:
    """A story for each service; a deadline passes for all of them at once."""
    deadlines = {n for n in range(LENGTH) if dice.random() < 0.15}
    others = [step for step in STEPS if step != DEADLINE]
    return [
        Told(
            str(UUID(int=n + 1)),
            [DEADLINE if k in deadlines else dice.choice(others) for k in range(LENGTH)],
        )
        for n in range(SERVICES)
    ]


@pytest.mark.parametrize(
    "seed", [1, 2, random.SystemRandom().randrange(10**6)], ids=["one", "two", "any"]
)
async def test_every_story_ends_as_the_oracle_says(scenario: Scenario, seed: int) -> None:
    dice = random.Random(seed)
    stories = plot(dice)
    for story in stories:
        await serve(scenario, story.service_id)
    for n in range(LENGTH):
        if stories[0].steps[n] == DEADLINE:
            await scenario.after(days=30)
            continue
        events = [
            event for story in stories if (event := story.event(story.steps[n], dice, scenario))
        ]
        dice.shuffle(events)
        await scenario.service.publish(*events)
        await scenario.service.settled()
        rows = await scenario.service.sql(
            "select id, service_id from alert order by opened_at, state <> 'resolved'"
        )
        known = {row["service_id"]: row["id"] for row in rows if row["id"] not in _seen(stories)}
        for story in stories:
            if story.service_id in known:
                story.alert_id = known[story.service_id]
                story.heard.append(known[story.service_id])
    assert await scenario.service.sql("select reason, detail from reject") == []
    await _check(scenario, stories, seed)


def _seen(stories: list[Told]) -> set[str]:
    return {alert_id for story in stories for alert_id in story.heard}


async def _check(scenario: Scenario, stories: list[Told], seed: int) -> None:
    told: dict[str, Counter[str]] = defaultdict(Counter)
    for payload, name in TOLD.items():
        for event in {
            event.id: event for event in await scenario.service.published(payload)
        }.values():
            told[event.data.alert_id][name] += 1
    rows = {
        row["id"]: row
        for row in await scenario.service.sql("select id, state, severity from alert")
    }
    for story in stories:
        found = [(rows[each]["state"], rows[each]["severity"], told[each]) for each in story.heard]
        expected = [(e.state, e.severity, e.told) for e in episodes(story.steps)]
        assert found == expected, f"seed {seed}, {story.steps}"
