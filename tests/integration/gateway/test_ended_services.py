"""A service that ended takes nothing in any more, from its end on; its reseller is notified, as of a suspension."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.orders import OF_STATE
from schemas.scalars import rfc3339
from schemas.tenants import ServiceEnded, ServiceResumed, ServiceSuspended, StateChanged
from tests.integration.gateway.notifying import point
from tests.integration.gateway.receivers import answering, receiving
from tests.integration.gateway.world import NOW, World, cloud_event, tenant_of, usage

END = NOW - timedelta(minutes=30)


def events_at(world: World, minutes: int, firm: str = "B") -> dict[str, dict[str, Any]]:
    """What may be sent about the service of a firm, so many minutes after the end of firm B's."""
    service_id, tenant = world.services[firm], tenant_of(firm)
    at = rfc3339(END + timedelta(minutes=minutes))
    change = {"action": "change", "service_id": service_id, "quantities": {"extra_user": "2"}}
    order = {"reference": "ORD-END", "items": [change], "effective_at": at}
    of_state = {
        action: {
            "reference": action,
            "items": [{"action": action, "service_id": service_id}],
            "effective_at": at,
        }
        for action in OF_STATE
    }
    beat = {"service_id": service_id}
    incident = {"service_id": service_id, "severity": "P2", "summary": "down"}
    return {
        "usage": usage(world, firm) | {"time": at},
        "heartbeat": cloud_event("vicino.heartbeat.received.v1", beat, tenant, time=at),
        "change": cloud_event("vicino.order.placed.v1", order, tenant),
        "incident": cloud_event("vicino.incident.reported.v1", incident, tenant, time=at),
    } | {
        action: cloud_event("vicino.order.placed.v1", data, tenant)
        for action, data in of_state.items()
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


@pytest.mark.parametrize("action", sorted(OF_STATE))
async def test_the_state_of_a_service_that_ended_cannot_be_ordered(
    served: World, action: str
) -> None:
    await ended(served)
    answer = await served.post(events_at(served, 31)[action], "VAR-B")
    assert (answer.status, answer.reasons) == (409, ["ended"]), answer.body


@pytest.mark.parametrize("action", sorted(OF_STATE))
@pytest.mark.parametrize("ago", [timedelta(minutes=6), timedelta(hours=20), timedelta(days=40)])
async def test_a_state_cannot_be_ordered_for_the_past(
    served: World, action: str, ago: timedelta
) -> None:
    """A change of quantities may: what is agreed in the evening is sent in the morning."""
    event = events_at(served, 0, "A")[action]
    event["data"]["effective_at"] = rfc3339(NOW - ago)
    answer = await served.post(event, "VAR-A")
    assert (answer.status, answer.reasons) == (422, ["end_in_past"]), answer.body
    assert answer.body["errors"][0]["pointer"] == "/data/effective_at"
    for at in (None, rfc3339(NOW), rfc3339(NOW + timedelta(days=40))):
        event["data"]["effective_at"] = at
        event["id"] = str(uuid4())
        answer = await served.post(event, "VAR-A")
        assert answer.status == 202, (at, answer.body)


@pytest.mark.parametrize("action", sorted(OF_STATE))
@pytest.mark.parametrize(
    "more", [{"sku": "ERP-CLOUD"}, {"quantities": {"extra_user": "1"}}, {"service_id": None}]
)
async def test_an_item_about_a_state_names_a_service_and_nothing_else(
    served: World, action: str, more: dict[str, Any]
) -> None:
    event = events_at(served, 31, "A")[action]
    event["data"]["items"][0] |= more
    answer = await served.post(event, "VAR-A")
    assert (answer.status, set(answer.reasons)) == (422, {"bad_data"}), answer.body


@pytest.mark.parametrize(("sender", "status"), [("VAR-B", 202), ("VAR-A", 403)])
async def test_who_may_order_for_a_tenant_may_cancel_its_orders(
    served: World, sender: str, status: int
) -> None:
    data = {"order_id": str(uuid4())}
    event = cloud_event("vicino.order.cancel_requested.v1", data, tenant_of("B"))
    assert (await served.post(event, sender)).status == status


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
    for kind, event in events_at(served, 29).items():
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
