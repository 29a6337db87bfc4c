"""Whatever service refuses an event that a door let in, its sender is notified of it, once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.envelope import Event
from schemas.orders import AssignmentDecided
from schemas.rejects import EventRejected
from schemas.signals import AcknowledgementGiven, ResolutionGiven
from schemas.topics import USAGE
from tests.integration.billing import scenario as billing
from tests.integration.monitoring import scenario as monitoring
from tests.integration.onboarding import scenario as onboarding
from tests.support.catalogue import CATALOGUE
from tests.support.running import Running

SENDER = "VAR-A"
BRIEF = {"parked_seconds_max": 0.5}
"""For how long a record waits for what it builds on."""


def by_sender(event: Event[Any], principal: str | None = SENDER) -> Event[Any]:
    """As it came through the door."""
    return replace(event, principal=principal)


async def notices(service: Running) -> list[Event[EventRejected]]:
    """What senders are notified of."""
    await service.settled()
    return await service.published(EventRejected)


def names(found: list[Event[EventRejected]]) -> list[tuple[str, str, str, str]]:
    """Source, id, service and reason, in an order of its own."""
    return sorted(
        (event.data.source, event.data.id, event.data.service, event.data.reason) for event in found
    )


@asynccontextmanager
async def metering(database: str, bootstrap: str, prefix: str) -> AsyncIterator[billing.Scenario]:
    async with billing.open_scenario(database, bootstrap, prefix) as found:
        await found.publish(
            billing.catalogue(CATALOGUE),
            billing.activated(billing.ERP, "ERP-CLOUD", 0, base="1"),
        )
        yield found


async def test_usage_that_cannot_count(database: str, bootstrap: str, topic_prefix: str) -> None:
    async with metering(database, bootstrap, topic_prefix) as found:
        at = billing.day("2026-11-01", 5)
        wrong = [
            billing.used("of-no-meter", at, meter="nonsense", value="x"),
            billing.used("before", billing.START - timedelta(days=3), value="x"),
            billing.used("of-another", at, tenant=str(uuid4()), value="x"),
            billing.used("without-value", at, quantity="3"),
        ]
        found.clock.set(billing.day("2026-11-02"))
        good = [billing.used(f"good-{n}", at, value=f"v{n}") for n in range(20)]
        of_nobody = billing.used("of-nobody", at, meter="nonsense", value="x")
        sent = [by_sender(event) for event in (*wrong, *good)]
        await found.publish(*sent, of_nobody, *sent)
        said = await notices(found.service)
        assert {(source, id_) for source, id_, _, _ in names(said)} == {
            ("/test", event.id) for event in wrong
        }
        # Sent twice, it was refused twice: a rejected event has not acted, and may come again.
        kept = await found.service.sql(
            "select count(*) as n from reject where raw::text like '%56%'"
        )
        assert kept[0]["n"] >= len(said)
        assert {event.data.sender for event in said} == {SENDER}
        assert {event.subject for event in said} >= {billing.TENANT}


async def test_usage_that_waited_and_was_refused_after_all(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with metering(database, bootstrap, topic_prefix) as found:
        at = billing.day("2026-11-01", 5)
        found.clock.set(billing.day("2026-11-02"))
        event = by_sender(billing.used("waits", at, service_id=billing.MAIL, value="x"))
        await found.service.publish(event)
        await found.service.settled()
        assert await notices(found.service) == []
        late = billing.activated(billing.MAIL, "MAIL-STD", 3, base="0", mailbox="1")
        await found.publish(late)
        found.clock.advance(timedelta(days=40))
        await found.service.settled()
        [said] = await notices(found.service)
        assert (said.data.id, said.data.service) == ("waits", "billing")


async def test_a_record_that_no_door_writes_has_nobody_to_notify(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with metering(database, bootstrap, topic_prefix) as found:
        await found.service.send((USAGE, b"k", b"not json"), (USAGE, b"k", None))
        assert await notices(found.service) == []
        assert (await found.account())["rejected", "not_json"] == 2


@pytest.mark.parametrize("kind", [AcknowledgementGiven, ResolutionGiven])
async def test_an_answer_to_no_alert(
    kind: type[Any], database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with monitoring.open_scenario(database, bootstrap, topic_prefix, **BRIEF) as found:
        await found.say(kind(alert_id=str(uuid4()), by="Tecnico"), SENDER)

        async def refused() -> Any:
            return await notices(found.service)

        [said] = await found.service.eventually(refused)
        assert (said.data.reason, said.data.service) == ("unknown_alert", "monitoring")
        assert said.data.type == kind.wire_type


async def test_a_decision_that_nobody_waits_for(
    database: str, bootstrap: str, superuser_url: str, topic_prefix: str
) -> None:
    async with onboarding.opened(
        database, bootstrap, superuser_url, topic_prefix, **BRIEF
    ) as found:
        said = AssignmentDecided(reseller_id="VAR-A")
        event = onboarding.event(str(uuid4()), said, "decided")
        await found.service.publish(replace(event, principal="operator"))

        async def refused() -> Any:
            return await notices(found.service)

        [notice] = await found.service.eventually(refused)
        assert (notice.data.id, notice.data.service) == ("decided", "onboarding")
