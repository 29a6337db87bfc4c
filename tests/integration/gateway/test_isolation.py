"""A reseller sees and does nothing that is another's, at any endpoint."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.alerts import AlertResolved
from services.gateway.openapi import document
from tests.integration.gateway.world import (
    NOW,
    TOKEN,
    World,
    cloud_event,
    order_data,
    reseller,
    tenant_of,
    usage,
)

BOTH = [("VAR-A", "B"), ("VAR-B", "A")]
OPERATORS = [
    (method.upper(), path)
    for path, methods in document()["paths"].items()
    if path.startswith("/operator")
    for method in methods
]


def filled(path: str) -> str:
    """A path with plausible values in it."""
    values = {"reseller_id": "VAR-B", "backend_id": "erp", "key_id": "0" * 18}
    for name in ("tenant_id", "order_id", "notification_id"):
        path = path.replace(f"{{{name}}}", str(uuid4()))
    return path.format(**values)


@pytest.mark.parametrize(("method", "path"), OPERATORS, ids=[f"{m} {p}" for m, p in OPERATORS])
@pytest.mark.parametrize("key", ["VAR-A", "VAR-B", "erp"])
async def test_the_operators_door_is_closed_to_everybody_else(
    world: World, method: str, path: str, key: str
) -> None:
    answer = await world.call(method, filled(path), reseller("VAR-B"), key)
    assert answer.status == 403
    assert (await world.call(method, filled(path), reseller("VAR-B"), None)).status == 401


def events_about(world: World, firm: str) -> list[dict[str, Any]]:
    """Every event type from outside, about a firm."""
    tenant, service_id = tenant_of(firm), world.services[firm]
    change = {"action": "change", "service_id": service_id, "quantities": {"extra_user": "9"}}
    answer = {"alert_id": str(uuid4()), "by": "desk"}
    return [
        usage(world, firm),
        cloud_event("vicino.order.placed.v1", order_data(firm), tenant),
        cloud_event("vicino.order.placed.v1", {"reference": "X", "items": [change]}, tenant),
        cloud_event("vicino.heartbeat.received.v1", {"service_id": service_id}, tenant),
        cloud_event(
            "vicino.incident.reported.v1",
            {"service_id": service_id, "severity": "P1", "summary": "x"},
            tenant,
        ),
        cloud_event("vicino.acknowledgement.given.v1", answer, tenant),
        cloud_event("vicino.resolution.given.v1", answer, tenant),
    ]


@pytest.mark.parametrize(("key", "firm"), BOTH)
async def test_a_reseller_cannot_speak_for_anothers_tenant(
    served: World, key: str, firm: str
) -> None:
    before = await served.let_in()
    for event in events_about(served, firm):
        answer = await served.post(event, key)
        assert (answer.status, answer.reasons) == (403, ["wrong_tenant"]), event["type"]
    assert await served.let_in() == before


@pytest.mark.parametrize(("key", "firm"), BOTH)
async def test_anothers_service_is_as_unknown_as_none(served: World, key: str, firm: str) -> None:
    mine = "A" if firm == "B" else "B"
    for service_id in (served.services[firm], str(uuid4())):
        answer = await served.post(usage(served, mine, data={"service_id": service_id}), key)
        assert (answer.status, answer.reasons) == (422, ["unknown_service"])


@pytest.mark.parametrize(("key", "firm"), BOTH)
async def test_a_reseller_sees_only_what_it_was_told(served: World, key: str, firm: str) -> None:
    for name, owner in (("A", "VAR-A"), ("B", "VAR-B")):
        told = AlertResolved(alert_id=str(uuid4()), reseller_id=owner, by="desk", resolved_at=NOW)
        await served.tell(tenant_of(name), told)
    await served.gateway.settled()
    lines = (await served.call("GET", "/v1/deliveries", key=key)).body
    assert {line["recipient"] for line in lines} == {key}
    assert tenant_of(firm) not in {line["tenant_id"] for line in lines}
    everything = (await served.call("GET", "/operator/v1/deliveries")).body
    assert {"VAR-A", "VAR-B"} <= {line["recipient"] for line in everything}


async def test_who_was_told_of_an_alert_is_listed_by_the_alert(world: World) -> None:
    alerts = [str(uuid4()), str(uuid4())]
    for alert_id in alerts:
        told = AlertResolved(alert_id=alert_id, reseller_id="VAR-A", by="desk", resolved_at=NOW)
        await world.tell(tenant_of("A"), told)
    await world.gateway.settled()
    for path, key in (("/v1/deliveries", "VAR-A"), ("/operator/v1/deliveries", TOKEN)):
        found = (await world.call("GET", f"{path}?alert_id={alerts[0]}", key=key)).body
        assert {(line["recipient"], line["alert_id"]) for line in found} == {("VAR-A", alerts[0])}
    assert (await world.call("GET", f"/v1/deliveries?alert_id={alerts[0]}", key="VAR-B")).body == []
    assert (await world.call("GET", "/operator/v1/deliveries?alert_id=x")).status == 422


async def test_everybody_learns_only_who_they_are_themselves(world: World) -> None:
    for key, kind in (("VAR-A", "reseller"), ("VAR-B", "reseller"), ("erp", "backend")):
        found = (await world.call("GET", "/v1/me", key=key)).body
        assert (found["kind"], found["id"]) == (kind, key)


async def test_a_tenant_that_waits_for_its_reseller_is_nobodys_but_for_its_first_order(
    served: World,
) -> None:
    await served.gateway.sql("update tenant set reseller_id = null where id = $1", tenant_of("B"))
    served.clock.advance(timedelta(seconds=1))
    try:
        answers = [
            (await served.post(event, "VAR-A")).status for event in events_about(served, "B")
        ]
        assert answers == [403, 202, 403, 403, 403, 403, 403]
    finally:
        await served.gateway.sql(
            "update tenant set reseller_id = 'VAR-B' where id = $1", tenant_of("B")
        )
