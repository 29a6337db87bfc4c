"""Usage that is ahead of what billing knows waits, and counts in the end."""

from datetime import datetime, timedelta
from typing import Any

from prometheus_client import REGISTRY

from tests.integration.billing.metering import (
    CALLS,
    NOVEMBER,
    OTHER_TENANT,
    call,
    meter,
    offer,
    scenario,
    total,
)
from tests.integration.billing.scenario import (
    MAIL,
    START,
    Scenario,
    activated,
    catalogue,
    used,
)

__all__ = ["scenario"]


async def test_what_a_door_let_in_under_a_newer_catalogue_waits_for_it(scenario: Scenario) -> None:
    early = [used(f"u{n}", START, meter="extra", quantity="2", revision=2) for n in range(3)]
    await scenario.publish(
        *early, early[0], used("u1", START, meter="extra", quantity="9", revision=2)
    )
    assert await scenario.account() == {
        ("parked", ""): 3,
        ("duplicate", ""): 1,
        ("rejected", "id_reuse"): 1,
    }
    [waiting] = await scenario.get("/v1/usage/parked")
    assert (waiting["waits_for"], waiting["n"]) == ("catalogue", 3)
    await scenario.publish(used("u9", START, meter="extra", quantity="2", revision=1))
    assert (await scenario.account())[("rejected", "unknown_meter")] == 1
    await scenario.publish(catalogue(offer(CALLS, meter("extra", "sum")), revision=2))
    await scenario.publish(early[1])
    assert await scenario.account() == {
        ("counted", ""): 3, ("duplicate", ""): 2, ("rejected", "id_reuse"): 1, ("rejected", "unknown_meter"): 1,
    }  # fmt: skip
    assert (await total(scenario, "extra"), await scenario.get("/v1/usage/parked")) == ("6", [])


async def test_what_is_set_aside_while_its_catalogue_comes_is_not_forgotten(
    scenario: Scenario,
) -> None:
    async with scenario.service.runtime.pool.acquire() as db, db.transaction():
        await db.execute("lock table parked_usage in share mode")
        await scenario.service.publish(used("u1", START, meter="extra", quantity="2", revision=2))
        await scenario.waiting_for_a_lock(1)
        await scenario.service.publish(catalogue(offer(CALLS, meter("extra", "sum")), revision=2))
        await scenario.waiting_for_a_lock(2)
    await scenario.service.settled()
    assert await scenario.account() == {("counted", ""): 1}


async def test_what_is_looked_at_again_while_its_catalogue_comes_gets_into_nobodys_way(
    scenario: Scenario,
) -> None:
    def tried_again() -> list[float | None]:
        job = {"kind": "count_waiting", "outcome": "retried"}
        return [REGISTRY.get_sample_value("vicino_jobs_total", job)] + [
            REGISTRY.get_sample_value(
                "vicino_engine_slice_retries_total", {"topic": "catalogue.v1", "error": error}
            )
            for error in ("DeadlockDetectedError", "SerializationError")
        ]

    before = tried_again()
    await scenario.publish(used("u1", START, meter="extra", quantity="2", revision=3))
    async with scenario.service.runtime.pool.acquire() as db, db.transaction():
        await db.execute("lock table parked_usage in share mode")
        await scenario.service.publish(catalogue(offer(CALLS), revision=2))
        await scenario.waiting_for_a_lock(1)
        await scenario.service.publish(catalogue(offer(CALLS, meter("extra", "sum")), revision=3))
        await scenario.waiting_for_a_lock(2)
    await scenario.service.settled()
    assert (await scenario.account(), tried_again()) == ({("counted", ""): 1}, before)


async def test_what_waits_for_its_service_is_judged_like_any_other_and_kept_where_it_came_from(
    scenario: Scenario,
) -> None:
    def other(event_id: str, at: datetime = START, **data: Any) -> bytes:
        return used(
            event_id, at, service_id=MAIL, tenant=OTHER_TENANT, meter="calls", **data
        ).encode()

    await scenario.slice(
        other("u1", quantity="1"), other("u1", quantity="1"), other("u1", quantity="2"), part=1
    )
    await scenario.slice(other("u2", quantity="1"), part=2)
    await scenario.service.settled()
    await scenario.slice(other("u1", quantity="1"), other("u2", quantity="7"), part=3)
    await scenario.slice(
        other("u3", value="x"), other("u4", START - timedelta(days=1), quantity="1"), part=3
    )
    await scenario.service.settled()
    assert await scenario.account() == {
        ("parked", ""): 4,
        ("duplicate", ""): 2,
        ("rejected", "id_reuse"): 2,
    }
    await scenario.publish(activated(MAIL, "X", tenant=OTHER_TENANT))
    assert await scenario.account() == {
        ("counted", ""): 2, ("duplicate", ""): 2, ("rejected", "id_reuse"): 2, ("rejected", "wrong_value"): 1,
        ("rejected", "before_activation"): 1,
    }  # fmt: skip
    kept = await scenario.service.sql(
        'select part, "offset", raw from reject where reason <> $1 order by id', "id_reuse"
    )
    assert [tuple(row) for row in kept] == [
        (3, 2, other("u3", value="x")), (3, 3, other("u4", START - timedelta(days=1), quantity="1")),
    ]  # fmt: skip
    await scenario.slice(other("u2", quantity="1"), other("u1", quantity="5"))
    await scenario.service.settled()
    assert (await scenario.account())[("duplicate", "")] == 3
    assert (await scenario.account())[("rejected", "id_reuse")] == 3
    assert await scenario.differences(*NOVEMBER) == []


async def test_rejects_are_sent_again_once_by_id_or_by_reason_and_count_after_repair(
    scenario: Scenario,
) -> None:
    await scenario.publish(
        *(used(f"u{n}", START, meter="extra", quantity="2") for n in range(4)),
        call("b1", tenant=OTHER_TENANT),
    )
    assert await scenario.account() == {
        ("rejected", "unknown_meter"): 4,
        ("rejected", "wrong_tenant"): 1,
    }
    await scenario.publish(catalogue(offer(CALLS, meter("extra", "sum")), revision=2))
    first, *_ = [
        row["id"] for row in await scenario.service.sql("select id from reject order by id")
    ]
    assert await scenario.replay([first], None) == 1
    assert (await scenario.account())[("counted", "")] == 1
    assert await scenario.replay([first], "unknown_meter") == 3
    assert await scenario.replay([first], "unknown_meter") == 0
    assert await scenario.account() == {
        ("rejected", "unknown_meter"): 4, ("rejected", "wrong_tenant"): 1, ("counted", ""): 4,
    }  # fmt: skip
    left = await scenario.service.sql("select reason from reject where replayed_at is null")
    assert ([row["reason"] for row in left], await total(scenario, "extra")) == (
        ["wrong_tenant"],
        "8",
    )
