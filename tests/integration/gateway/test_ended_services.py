"""A service that ended takes nothing in any more, from its end on; its reseller is notified, as of a suspension."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.scalars import rfc3339
from schemas.tenants import ServiceEnded, ServiceResumed, ServiceSuspended, StateChanged
from tests.integration.gateway.notifying import point
from tests.integration.gateway.receivers import answering, receiving
from tests.integration.gateway.world import NOW, World, cloud_event, tenant_of, usage

END = NOW - timedelta(minutes=30)


def events_at(world: World, minutes: int) -> dict[str, dict[str, Any]]:
    """What may be sent about the service of firm B, so many minutes after its end."""
    service_id, tenant = world.services["B"], tenant_of("B")
    at = rfc3339(END + timedelta(minutes=minutes))
    change = {"action": "change", "service_id": service_id, "quantities": {"extra_user": "2"}}
    order = {"reference": "ORD-END", "items": [change], "effective_at": at}
    beat = {"service_id": service_id}
    incident = {"service_id": service_id, "severity": "P2", "summary": "down"}
    return {
        "usage": usage(world, "B") | {"time": at},
        "heartbeat": cloud_event("vicino.heartbeat.received.v1", beat, tenant, time=at),
        "change": cloud_event("vicino.order.placed.v1", order, tenant),
        "incident": cloud_event("vicino.incident.reported.v1", incident, tenant, time=at),
    }


async def ended(world: World) -> None:
    """Firm B's service ended; of two ends the earlier counts."""
    for at in (END, END + timedelta(days=3)):
        said = ServiceEnded(
            service_id=world.services["B"], sku="ERP-CLOUD", effective_at=at, reason="requested"
        )
        await world.tell(tenant_of("B"), said)
    await world.gateway.settled()
    await world.give_back("B", "VAR-B")


@pytest.mark.parametrize("kind", ["usage", "heartbeat", "change"])
async def test_from_its_end_on_the_door_refuses_it_and_takes_what_lies_before(
    served: World, kind: str
) -> None:
    await ended(served)
    for minutes in (0, 1, 29):
        answer = await served.post(events_at(served, minutes)[kind], "VAR-B")
        assert (answer.status, answer.reasons) == (409, ["ended"]), (minutes, answer.body)
    answer = await served.post(events_at(served, -1)[kind], "VAR-B")
    assert answer.status == 202, answer.body


async def test_trouble_with_a_service_that_ended_may_still_be_reported(served: World) -> None:
    await ended(served)
    answer = await served.post(events_at(served, 5)["incident"], "VAR-B")
    assert answer.status == 202, answer.body


async def test_in_a_batch_only_what_lies_after_the_end_is_refused(served: World) -> None:
    await ended(served)
    batch = [events_at(served, minutes)["usage"] for minutes in (-3, 2, -1, 4)]
    answer = await served.post(batch, "VAR-B")
    found = [(fault["index"], fault["reason"]) for fault in answer.body["errors"]]
    assert found == [(1, "ended"), (3, "ended")]


async def test_nobody_learns_of_the_end_of_anothers_service(served: World) -> None:
    await ended(served)
    for kind, event in events_at(served, 5).items():
        answer = await served.post(event, "VAR-A")
        assert (answer.status, answer.reasons) == (403, ["wrong_tenant"]), kind


STATES: list[StateChanged] = [
    ServiceSuspended(
        service_id=str(uuid4()), sku="ERP-CLOUD", effective_at=NOW, reason="requested"
    ),
    ServiceResumed(service_id=str(uuid4()), sku="ERP-CLOUD", effective_at=NOW),
    ServiceEnded(service_id=str(uuid4()), sku="ERP-CLOUD", effective_at=NOW, reason="operator"),
]


@pytest.mark.parametrize("said", STATES, ids=[said.state for said in STATES])
async def test_the_reseller_is_notified_of_each_state_of_a_service(
    served: World, said: StateChanged
) -> None:
    async with receiving(answering("204 No Content")) as receiver:
        await point(served, "VAR-A", receiver)
        await served.tell(tenant_of("A"), said)
        await served.gateway.settled()
        events = [item.verified(served.secrets["VAR-A"])[0] for item in receiver.told]
    [told] = [event for event in events if event["type"] == said.wire_type]
    assert told["data"]["service_id"] == said.service_id
