"""No 202 ends in silence: what is refused behind the door is listed for its sender, and notified, damped."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from schemas.envelope import Event
from schemas.rejects import EventRejected
from services.gateway import housekeeping
from services.gateway.domain.damping import NOTICE_EVERY
from tests.integration.gateway.notifying import point
from tests.integration.gateway.receivers import Receiver, answering, receiving
from tests.integration.gateway.world import TOKEN, World, open_world, tenant_of

TYPE = "vicino.usage.recorded.v1"
REASONS = ("wrong_value", "before_activation")
"""Of the notifications that are waited for; what other tests left over has others."""


def rejected(
    world: World, sender: str, n: int, reason: str = "unknown_meter", firm: str = "A"
) -> Event[EventRejected]:
    """Billing's word that it refused an event."""
    data = EventRejected(
        sender=sender, source="/portal/Città", id=f"usage-{n}", type=TYPE, service="billing", reason=reason,
        detail="no such meter",
    )  # fmt: skip
    now = world.clock.now()
    return Event(str(uuid4()), "/vicino/billing", data.wire_type, tenant_of(firm), now, data)


async def listed(world: World, key: str, query: str = "", path: str = "/v1/rejects") -> list[Any]:
    """A list, followed to its end."""
    found, address = [], f"{path}{query}"
    while address:
        answer = await world.call("GET", address, key=key)
        assert answer.status == 200, answer.body
        found += answer.body
        link = answer.headers.get("Link", "")
        address = link.partition("<")[2].partition(">")[0]
    return found


async def sent(world: World, receiver: Receiver, sender: str, n: int) -> Sequence[dict[str, Any]]:
    """The notifications of rejects that a receiver got, once it has so many."""

    async def so_many() -> Any:
        events = [told.verified(world.secrets[sender])[0] for told in receiver.told]
        found = [event for event in events if event["data"].get("reason") in REASONS]
        return found if len(found) >= n else None

    found: list[dict[str, Any]] = await world.gateway.eventually(so_many)
    return found


async def test_each_sender_sees_its_own_whoever_serves_the_tenant(served: World) -> None:
    events = [rejected(served, "VAR-A", n) for n in range(7)]
    others = [rejected(served, "VAR-B", 100), rejected(served, "erp", 101, firm="B")]
    await served.gateway.publish(*events, *others, *events)
    await served.gateway.settled()
    for page in ("", "?limit=1", "?limit=3", "?limit=7"):
        mine = await listed(served, "VAR-A", page)
        assert {row["id"] for row in mine} >= {f"usage-{n}" for n in range(7)}
        assert len(mine) == len({row["id"] for row in mine}), page
    assert {row["id"] for row in await listed(served, "erp")} == {"usage-101"}
    [other] = await listed(served, "VAR-B")
    assert {name: other[name] for name in ("source", "id", "reason", "detail", "sender")} == {
        "source": "/portal/Città", "id": "usage-100", "reason": "unknown_meter", "detail": "no such meter",
        "sender": "VAR-B",
    }  # fmt: skip
    all_of_them = await listed(served, TOKEN, path="/operator/v1/rejects")
    assert {row["sender"] for row in all_of_them} >= {"VAR-A", "VAR-B", "erp"}
    assert await listed(served, "VAR-B", "?reason=ended") == []
    assert await listed(served, "VAR-A", f"?tenant_id={tenant_of('B')}") == []


async def test_a_reseller_is_notified_of_the_first_at_once_and_later_of_how_many_more(
    served: World,
) -> None:
    async with receiving(answering("204 No Content")) as receiver:
        await point(served, "VAR-A", receiver)
        first = rejected(served, "VAR-A", 1_000, "wrong_value")
        await served.gateway.publish(first)
        [notified] = await sent(served, receiver, "VAR-A", 1)
        assert (notified["subject"], notified["data"]["id"], notified["data"]["more"]) == (
            tenant_of("A"), "usage-1000", 0,
        )  # fmt: skip
        assert "tenant" not in notified["data"]
        await served.gateway.publish(
            *(rejected(served, "VAR-A", n, "wrong_value") for n in range(500))
        )
        other = rejected(served, "VAR-A", 2_000, "before_activation")
        await served.gateway.publish(other)
        two = await sent(served, receiver, "VAR-A", 2)
        assert two[1]["data"]["reason"] == "before_activation"
        await served.gateway.settled()
        served.clock.advance(NOTICE_EVERY - timedelta(seconds=1))
        await served.gateway.settled()
        assert len(await sent(served, receiver, "VAR-A", 2)) == 2
        served.clock.advance(timedelta(seconds=1))
        await served.gateway.wake()
        three = await sent(served, receiver, "VAR-A", 3)
        await served.gateway.settled()
        served.clock.advance(3 * NOTICE_EVERY)
        await served.gateway.settled()
        assert len(await sent(served, receiver, "VAR-A", 3)) == 3
    assert (three[2]["data"]["reason"], three[2]["data"]["more"]) == ("wrong_value", 499)


async def test_who_has_no_address_has_the_list_alone(served: World) -> None:
    await served.gateway.publish(rejected(served, "erp", 7), rejected(served, "operator", 8))
    await served.gateway.settled()
    found = await served.gateway.sql(
        "select recipient from notification where about = $1 and recipient <> all ($2)",
        EventRejected.wire_type, ["VAR-A", "VAR-B"],
    )  # fmt: skip
    assert [dict(row) for row in found] == []
    assert {row["id"] for row in await listed(served, "erp")} >= {"usage-7"}
    assert {row["id"] for row in await listed(served, TOKEN)} >= {"usage-8"}


async def test_rejects_go_when_they_are_too_many_or_their_time_is_over(
    database: str, bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_world(database, bootstrap, topic_prefix, refused_days=10) as world:
        await world.gateway.publish(*(rejected(world, "VAR-A", n) for n in range(7)))
        await world.gateway.settled()
        newest = [row["id"] for row in await listed(world, "VAR-A")][:3]
        fewer = [kept._replace(rows=3) for kept in housekeeping.REFUSED]
        monkeypatch.setattr(housekeeping, "REFUSED", fewer)
        await housekeeping.tidy(world.gateway.runtime)
        assert [row["id"] for row in await listed(world, "VAR-A")] == newest
        world.clock.advance(timedelta(days=11))
        await housekeeping.tidy(world.gateway.runtime)
        assert await listed(world, "VAR-A") == []


CURSORS = [
    "x", "%00", "W10", "WyJhIl0", "Wy0xXQ", "e30", "bnVsbA", "A" * 999, "ŵ", "WzEsMl0", "WzkyMjMzNzIwMzY4NTQ3NzU4MDhd",
    "WyIyMDI2LTExLTEwVDA5OjAwOjAwWiIsICJcdTAwMDAiXQ", "WyIyMDI2LTExLTEwVDA5OjAwOjAwIiwgImEiXQ",
]  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/rejects", "/v1/refusals", "/v1/deliveries"])
@pytest.mark.parametrize("cursor", CURSORS)
async def test_what_is_no_cursor_is_refused(served: World, path: str, cursor: str) -> None:
    answer = await served.call("GET", f"{path}?cursor={cursor}", key="VAR-A")
    assert answer.status in (400, 422), answer
    if answer.status == 422:
        assert answer.body["errors"][0]["pointer"] == "/cursor"


async def test_refusals_of_the_door_are_listed_for_their_sender_alone(served: World) -> None:
    await served.post({"specversion": "1.0", "id": "wrong-1"}, "VAR-B")
    mine = await listed(served, "VAR-B", "?limit=1", "/v1/refusals")
    assert "bad_envelope" in {row["reason"] for row in mine}
    assert {row["principal"] for row in mine} == {"VAR-B"}
    assert all(
        row["principal"] != "VAR-B" for row in await listed(served, "VAR-A", path="/v1/refusals")
    )


async def test_the_delivery_log_is_followed_to_its_end(served: World) -> None:
    whole = await listed(served, "VAR-A", "?limit=1000", "/v1/deliveries")
    assert whole
    by_one = await listed(served, "VAR-A", "?limit=1", "/v1/deliveries")
    assert [row["notification_id"] for row in by_one] == [row["notification_id"] for row in whole]
