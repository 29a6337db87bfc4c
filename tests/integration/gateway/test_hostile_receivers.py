"""A bad receiver is tried again by the schedule and harms nobody but itself."""

import time
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from schemas.deliveries import DeliveryFailed
from schemas.scalars import read_instant
from services.gateway import housekeeping
from services.gateway.adapters import webhook
from tests.integration.gateway.notifying import alert, attempts, drain, log_of, point
from tests.integration.gateway.receivers import (
    Behaviour,
    Receiver,
    answering,
    babble,
    close_early,
    flood,
    hang,
    receiving,
    slow_loris,
)
from tests.integration.gateway.world import (
    World,
    tenant_of,
)

HOSTILE: dict[str, tuple[Behaviour, str]] = {
    "500": (answering("500 Oh"), "answered 500"),
    "302": (answering("302 Found", location="http://127.0.0.1:1/"), "answered 302"),
    "hang": (hang, "no answer"),
    "slow loris": (slow_loris, ""),
    "early close": (close_early, ""),
    "no HTTP": (babble, ""),
    "headers without end": (answering("200 OK", x="a" * 100_000), ""),
}


@pytest.mark.parametrize(("behaviour", "answer"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_receiver_is_tried_again_by_the_schedule(
    served: World, behaviour: Behaviour, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving(behaviour) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        with (
            monkeypatch.context() as impatient
        ):  # later it has to answer: on a busy machine that takes a while
            impatient.setattr(webhook, "TIMEOUT_SECONDS", 0.5)
            await served.tell(tenant_of("A"), opened)
            line = await attempts(served, opened.alert_id, 1)
        assert line["state"] == "waiting"
        assert line["last_answer"].startswith(answer)
        receiver.behaviour = answering("200 OK")
        served.clock.advance(timedelta(seconds=6))
        # What earlier tests left for this recipient may go first; then ours steps aside, and time must go on.
        line = await attempts(served, opened.alert_id, 2, tick=timedelta(seconds=1))
        assert line["state"] == "delivered"
    assert (
        len(
            {
                told.headers["webhook-id"]
                for told in receiver.told
                if opened.alert_id.encode() in told.body
            }
        )
        == 1
    )


async def test_a_receiver_that_talks_without_end_after_its_yes_is_cut_and_counts_as_told(
    served: World,
) -> None:
    async with receiving(flood) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), opened)
        assert (await attempts(served, opened.alert_id, 1))["state"] == "delivered"


async def test_retry_after_is_honoured_when_it_is_longer_than_the_schedule(served: World) -> None:
    async with receiving(answering("429 Slow", retry_after="600")) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        before = served.clock.now()
        await served.tell(tenant_of("A"), opened)
        line = await attempts(served, opened.alert_id, 1)

        async def waiting() -> Any:
            return await served.gateway.sql(
                "select run_at from job where key = $1 and lease_token is null", line["id"]
            )

        assert (await served.gateway.eventually(waiting))[0]["run_at"] == before + timedelta(
            seconds=600
        )


async def test_410_closes_the_address_until_it_is_registered_again_and_redelivery_works(
    served: World,
) -> None:
    await drain(served, "VAR-A")
    async with receiving(answering("410 Gone")) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), opened)
        line = await attempts(served, opened.alert_id, 1)
        await served.gateway.settled()
        assert (await log_of(served, opened.alert_id))["state"] == "failed"
        second = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), second)
        await served.gateway.settled()
        assert (await log_of(served, second.alert_id))[
            "last_answer"
        ] == "this recipient takes no webhooks"
        assert len(receiver.told) == 1
        receiver.behaviour = answering("200 OK")
        await point(served, "VAR-A", receiver)
        answer = await served.call("POST", f"/operator/v1/deliveries/{line['id']}/redeliver")
        assert answer.status == 202
        await attempts(served, opened.alert_id, 2)
        assert [told.headers["webhook-id"] for told in receiver.told] == [line["id"]] * 2
    failed = [fact.data for fact in await served.gateway.published(DeliveryFailed)]
    assert [fact.attempts for fact in failed if fact.alert_id == opened.alert_id] == [1]


async def test_after_ten_attempts_a_delivery_has_failed(served: World) -> None:
    async with receiving(answering("500 Oh")) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), opened)
        line = await attempts(served, opened.alert_id, 10, tick=timedelta(minutes=30))
        assert (line["state"], line["attempts"]) == ("failed", 10)
        assert len([told for told in receiver.told if opened.alert_id.encode() in told.body]) == 10
    failed = [fact.data for fact in await served.gateway.published(DeliveryFailed)]
    assert [fact.attempts for fact in failed if fact.alert_id == opened.alert_id] == [10]


async def test_an_address_that_410_closed_is_told_to_its_reseller_and_to_the_operator(
    served: World,
) -> None:
    def closed() -> float | None:
        return REGISTRY.get_sample_value("vicino_gateway_webhooks_closed")

    async def me(key: str) -> Any:
        return (await served.call("GET", "/v1/me", key=key)).body

    await drain(served, "VAR-A")
    async with receiving(answering("410 Gone")) as receiver:
        await point(served, "VAR-A", receiver)
        assert await me("VAR-A") == {
            "kind": "reseller", "id": "VAR-A", "webhook": {"open": True, "closed_at": None}
        }  # fmt: skip
        opened = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), opened)
        await attempts(served, opened.alert_id, 1)
        await served.gateway.settled()
        told = (await me("VAR-A"))["webhook"]
        assert (told["open"], read_instant(told["closed_at"])) == (False, served.clock.now())
        assert (await me("VAR-B"))["webhook"]["open"]
        assert closed() == 1
        await point(served, "VAR-A", receiver)
        await housekeeping.tidy(served.gateway.runtime)
        assert ((await me("VAR-A"))["webhook"]["open"], closed()) == (True, 0)
        assert await me("erp") == {"kind": "backend", "id": "erp"}


async def test_a_storm_for_a_dead_receiver_delays_nobody_else(served: World) -> None:
    async with receiving(hang) as dead, receiving(answering("200 OK")) as alive:
        await point(served, "VAR-A", dead)
        await point(served, "VAR-B", alive)
        await served.tell(tenant_of("A"), *(alert(served, "A", "VAR-A") for _ in range(300)))
        await served.gateway.eventually(lambda: _has_callers(dead))
        opened = alert(served, "B", "VAR-B")
        await served.tell(tenant_of("B"), opened)
        began = time.monotonic()
        await attempts(served, opened.alert_id, 1)
        assert time.monotonic() - began < 5.0
        assert len(dead.told) <= 16


async def _has_callers(receiver: Receiver) -> bool:
    return len(receiver.told) > 0
