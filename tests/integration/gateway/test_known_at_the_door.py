"""What the doors know, they refuse: the wrong kind of value, an answer to no alert, an assignment that is taken."""

from typing import Any
from uuid import uuid4

import pytest

from schemas.orders import OrderPlaced
from schemas.tenants import ServiceActivated
from tests.integration.gateway.notifying import alert
from tests.integration.gateway.world import (
    NOW,
    World,
    cloud_event,
    order,
    order_data,
    tenant_of,
    usage,
)

ANSWERS = ("vicino.acknowledgement.given.v1", "vicino.resolution.given.v1")


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"value": None, "quantity": "3"}, "/data/quantity"),
        ({"value": None, "quantity": "0"}, "/data/quantity"),
        ({"value": None, "quantity": "3", "dimensions": {"region": "eu"}}, "/data/quantity"),
    ],
)
async def test_the_wrong_kind_of_value_is_refused_with_its_place(
    served: World, data: dict[str, Any], place: str
) -> None:
    before = await served.let_in()
    event = usage(served, "A", data=data)
    event["data"] = {name: value for name, value in event["data"].items() if value is not None}
    right = usage(served, "A", 1)
    answer = await served.post([right, event])
    [fault] = answer.body["errors"]
    assert (answer.status, fault["reason"], fault["pointer"], fault["index"]) == (422, "wrong_value", place, 1)  # fmt: skip
    assert await served.let_in() == before
    assert (await served.post(right)).status == 202


async def test_the_same_is_refused_of_a_meter_of_quantities(served: World) -> None:
    service_id = str(uuid4())
    await served.tell(
        tenant_of("A"),
        ServiceActivated(service_id=service_id, order_id=str(uuid4()), item=1, sku="MAIL-STD", quantities={}, effective_at=NOW),
    )  # fmt: skip
    await served.gateway.settled()
    data = {"service_id": service_id, "meter": "mail_storage_overage_gb_month"}
    wrong = usage(served, "A", data=data | {"value": "abc"})
    answer = await served.post(wrong)
    assert (answer.status, answer.reasons) == (422, ["wrong_value"])
    assert answer.body["errors"][0]["pointer"] == "/data/value"


@pytest.mark.parametrize("kind", ANSWERS)
async def test_an_answer_is_accepted_for_ones_own_alert_alone(served: World, kind: str) -> None:
    opened = alert(served, "A", "VAR-A")
    await served.tell(tenant_of("A"), opened)
    await served.gateway.settled()
    data = {"alert_id": opened.alert_id, "by": "Ada"}
    assert (await served.post(cloud_event(kind, data, tenant_of("A")))).status == 202
    for alert_id, tenant, key in (
        (str(uuid4()), "A", "VAR-A"),  # there is none
        (opened.alert_id, "B", "VAR-B"),  # it is another tenant's
    ):
        answer = await served.post(
            cloud_event(kind, data | {"alert_id": alert_id}, tenant_of(tenant)), key
        )
        assert (answer.status, answer.reasons) == (422, ["unknown_alert"])
        assert answer.body["errors"][0]["pointer"] == "/data/alert_id"


async def test_an_alert_can_be_answered_from_the_moment_its_webhook_is_sent(served: World) -> None:
    """It was refused a moment ago, and nothing of that is remembered."""
    opened = alert(served, "A", "VAR-A")
    answer = cloud_event(ANSWERS[0], {"alert_id": opened.alert_id, "by": "Ada"}, tenant_of("A"))
    assert (await served.post(answer)).status == 422
    await served.tell(tenant_of("A"), opened)
    await served.gateway.settled()
    assert (await served.post(answer)).status == 202


async def test_a_tenant_that_has_its_reseller_is_not_assigned_again(served: World) -> None:
    path = f"/operator/v1/tenants/{tenant_of('A')}/assignment"
    for reseller_id in ("VAR-A", "VAR-B"):
        answer = await served.call("PUT", path, {"reseller_id": reseller_id})
        assert (answer.status, answer.reasons) == (409, ["already_assigned"])


async def test_an_order_may_name_a_reseller_that_there_is(served: World) -> None:
    for n, name in enumerate(("VAR-A", "VAR-B")):  # itself, or another
        placed = order("C", id=f"prefers-{n}")
        placed["data"]["preferred_reseller"] = name
        assert (await served.post(placed)).status == 202
    for wrong, reason in (("VAR-NONE", "unknown_reseller"), ("erp", "unknown_reseller"), ("a b", "bad_data")):  # fmt: skip
        placed = order("C")
        placed["data"]["preferred_reseller"] = wrong
        answer = await served.post(placed)
        assert (answer.status, answer.reasons) == (422, [reason])
        assert answer.body["errors"][0]["pointer"] == "/data/preferred_reseller"


def test_an_order_that_names_nobody_says_what_it_always_said() -> None:
    """Its digest, by which it is recognised when it is sent again, is that of earlier builds."""
    said = OrderPlaced.model_validate(order_data())
    assert "preferred_reseller" not in said.model_dump(mode="json")
    assert "preferred_reseller" in said.model_copy(update={"preferred_reseller": "V"}).model_dump()
