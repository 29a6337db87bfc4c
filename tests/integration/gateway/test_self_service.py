"""A reseller looks after itself: keys, secret, address, test, sending again; and touches nothing of anybody else's."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import WebhookVerificationError

from schemas.deliveries import WebhookTested
from services.gateway.openapi import document
from tests.integration.gateway.notifying import alert, attempts, point
from tests.integration.gateway.receivers import Receiver, answering, receiving
from tests.integration.gateway.world import TOKEN, World, tenant_of

MINE = [
    (method.upper(), path)
    for path, methods in document()["paths"].items()
    for method in methods
    if path.startswith("/v1/me/") or path.endswith("/redeliver")
]


async def told(world: World, receiver: Receiver, kind: str, secret: str) -> list[dict[str, Any]]:
    """What a receiver was sent of a type, once there is some."""

    async def some() -> Any:
        found = [item.verified(secret)[0] for item in receiver.told]
        return [event for event in found if event["type"] == kind]

    found: list[dict[str, Any]] = await world.gateway.eventually(some)
    return found


async def test_a_key_is_replaced_without_a_gap_and_the_last_one_stays(world: World) -> None:
    await world.register("VAR-SELF")
    [first] = (await world.call("GET", "/v1/me/keys", key="VAR-SELF")).body
    assert world.keys["VAR-SELF"].startswith(first["key_id"] + ".")
    path = f"/v1/me/keys/{first['key_id']}"
    assert (await world.call("DELETE", path, key="VAR-SELF")).status == 409
    answers = await asyncio.gather(
        *(world.call("POST", "/v1/me/keys", key="VAR-SELF") for _ in range(5))
    )
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409]
    [second] = [answer.body["api_key"] for answer in answers if answer.status == 201]
    assert (await world.call("GET", "/v1/me", key=second)).body["id"] == "VAR-SELF"
    assert (await world.call("DELETE", path, key=second)).status == 204
    assert (await world.call("GET", "/v1/me", key="VAR-SELF")).status == 401
    assert (await world.call("DELETE", path, key=second)).status == 404
    assert len((await world.call("GET", "/v1/me/keys", key=second)).body) == 1


async def test_two_who_end_the_last_two_keys_at_once_leave_one(world: World) -> None:
    await world.register("VAR-TWO")
    second = (await world.call("POST", "/v1/me/keys", key="VAR-TWO")).body["api_key"]
    ids = [world.keys["VAR-TWO"].split(".")[0], second.split(".")[0]]
    answers = await asyncio.gather(
        *(world.call("DELETE", f"/v1/me/keys/{key_id}", key=second) for key_id in ids)
    )
    assert sorted(answer.status for answer in answers) == [204, 409]


async def test_a_reseller_ends_no_key_of_another(world: World) -> None:
    other = world.keys["VAR-A"].split(".")[0]
    assert (await world.call("DELETE", f"/v1/me/keys/{other}", key="VAR-B")).status == 404
    assert (await world.call("GET", "/v1/me", key="VAR-A")).status == 200


async def test_a_test_reaches_the_address_signed_by_the_new_secret_and_the_old(
    world: World,
) -> None:
    async with receiving(answering("204 No Content")) as receiver:
        await world.register("VAR-TEST", receiver.url)
        old = world.secrets["VAR-TEST"]
        new = (await world.call("POST", "/v1/me/webhook-secret", key="VAR-TEST")).body["webhook_secret"]  # fmt: skip
        answer = await world.call("POST", "/v1/me/test", key="VAR-TEST")
        assert answer.status == 202
        for secret in (old, new):
            [event] = await told(world, receiver, WebhookTested.wire_type, secret)
            assert (event["subject"], event["data"]) == ("VAR-TEST", {"reseller_id": "VAR-TEST"})
        with pytest.raises(WebhookVerificationError):
            receiver.told[0].verified(world.secrets["VAR-B"])
        await world.gateway.settled()
        [line] = (await world.call("GET", "/v1/deliveries", key="VAR-TEST")).body
        assert (line["notification_id"], line["state"]) == (answer.body["notification_id"], "delivered")  # fmt: skip


async def test_what_waits_for_a_dead_address_is_tried_at_the_new_one_at_once(
    served: World,
) -> None:
    """The clock stands still: nothing but the change of address makes it due."""
    await served.call("PUT", "/v1/me/webhook", {"webhook_url": "http://127.0.0.1:9/x"}, "VAR-B")
    opened = alert(served, "B", "VAR-B")
    await served.tell(tenant_of("B"), opened)
    await attempts(served, opened.alert_id, 1)
    async with receiving(answering("204 No Content")) as receiver:
        body = {"webhook_url": receiver.url}
        answer = await served.call("PUT", "/v1/me/webhook", body, "VAR-B")
        assert answer.status == 200
        assert answer.body["waiting"] >= 1
        line = await attempts(served, opened.alert_id, 2)
        assert line["state"] == "delivered"


async def test_the_operator_changes_an_address_to_the_same_effect(served: World) -> None:
    await served.call("PUT", "/v1/me/webhook", {"webhook_url": "http://127.0.0.1:9/x"}, "VAR-A")
    opened = alert(served, "A", "VAR-A")
    await served.tell(tenant_of("A"), opened)
    await attempts(served, opened.alert_id, 1)
    async with receiving(answering("204 No Content")) as receiver:
        await point(served, "VAR-A", receiver)
        assert (await attempts(served, opened.alert_id, 2))["state"] == "delivered"


async def test_a_closed_address_is_opened_and_what_failed_is_sent_again(served: World) -> None:
    async with receiving(answering("204 No Content")) as before:
        await point(served, "VAR-B", before)
        await (
            served.gateway.settled()
        )  # what waited is delivered: the alert is the first to meet the 410
    async with receiving(answering("410 Gone")) as gone:
        await point(served, "VAR-B", gone)
        opened = alert(served, "B", "VAR-B")
        await served.tell(tenant_of("B"), opened)
        line = await attempts(served, opened.alert_id, 1)
    assert line["state"] == "failed"
    path = f"/v1/deliveries/{line['id']}/redeliver"
    assert (await served.call("GET", "/v1/me", key="VAR-B")).body["webhook"]["open"] is False
    assert (await served.call("POST", path, key="VAR-A")).status == 404
    async with receiving(answering("204 No Content")) as receiver:
        await served.call("PUT", "/v1/me/webhook", {"webhook_url": receiver.url}, "VAR-B")
        assert (await served.call("GET", "/v1/me", key="VAR-B")).body["webhook"]["open"] is True
        assert (await served.call("POST", path, key="VAR-B")).status == 202
        assert (await attempts(served, opened.alert_id, 2))["state"] == "delivered"
    assert (await served.call("POST", f"/v1/deliveries/{uuid4()}/redeliver", key="VAR-B")).status == 404  # fmt: skip


BAD_ADDRESSES: list[Any] = [
    {"webhook_url": "ftp://example.com/x"}, {"webhook_url": "http://user:pw@example.com/"}, {"webhook_url": ""},
    {"webhook_url": "https://example.com/\n"}, {"webhook_url": 7}, {}, {"url": "https://example.com"}, [],
    {"webhook_url": "https://example.com/", "secret": "x"},
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_ADDRESSES, ids=str)
async def test_a_bad_address_is_refused_and_the_old_one_stays(world: World, body: Any) -> None:
    query = "select webhook_url from reseller where id = 'VAR-A'"
    [before] = await world.gateway.sql(query)
    assert (await world.call("PUT", "/v1/me/webhook", body, "VAR-A")).status == 422
    assert (await world.gateway.sql(query)) == [before]


@pytest.mark.parametrize(("method", "path"), MINE)
@pytest.mark.parametrize("key", ["erp", TOKEN])
async def test_only_resellers_look_after_themselves(
    world: World, method: str, path: str, key: str
) -> None:
    if path.startswith("/operator"):
        return
    filled = path.format(key_id="0" * 18, notification_id=uuid4())
    body = {"webhook_url": "https://example.com/x"} if method == "PUT" else None
    answer = await world.call(method, filled, body, key)
    assert answer.status == 403, answer.body
