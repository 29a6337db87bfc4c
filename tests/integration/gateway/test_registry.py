"""What the operator registers is said once, in order; keys and secrets are shown once and kept as hashes or sealed."""

import asyncio
import copy
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from schemas.catalogue import CataloguePublished, ResellerRegistered
from schemas.orders import AssignmentDecided, OrderReviewed, Review
from services.gateway import housekeeping
from services.gateway.app import GatewaySettings
from tests.integration.gateway.world import (
    CONTACT,
    World,
    open_world,
    order,
    registered,
    reseller,
    tenant_of,
)
from tests.support.catalogue import CATALOGUE


async def test_revisions_leave_in_order_also_when_many_register_at_once(world: World) -> None:
    await asyncio.gather(
        *(world.call("PUT", "/operator/v1/resellers/VAR-B", reseller("VAR-B")) for _ in range(10)),
        *(world.call("PUT", "/operator/v1/catalogue", CATALOGUE) for _ in range(3)),
    )
    await world.gateway.settled()
    resellers = [fact.data.revision for fact in await world.gateway.published(ResellerRegistered)]
    catalogues = [fact.data.revision for fact in await world.gateway.published(CataloguePublished)]
    assert sorted(resellers + catalogues) == list(range(1, len(resellers + catalogues) + 1))
    assert resellers == sorted(resellers)


async def test_nothing_secret_is_kept_in_clear_or_said(world: World) -> None:
    await world.post(order("A", id="secret-check"))
    await world.gateway.settled()
    kept = await world.gateway.sql(
        "select (select string_agg(r::text, '') from reseller r) as resellers,"
        " (select string_agg(k::text, '') from api_key k) as keys, (select string_agg(t::text, '') from tenant t) as tenants"
    )
    text = "".join(str(value) for value in kept[0].values())
    said = "".join(
        fact.encode().decode() for fact in await world.gateway.published(ResellerRegistered)
    )
    for secret in (
        world.keys["VAR-A"].split(".")[1],
        world.secrets["VAR-A"],
        "Tecnico",
        CONTACT["name"],
    ):
        assert secret not in text
        assert secret not in said


async def test_a_key_can_be_replaced_without_a_gap(world: World) -> None:
    answer = await world.call("POST", "/operator/v1/resellers/VAR-A/keys")
    old, new = world.keys["VAR-A"], answer.body["api_key"]
    assert answer.status == 201
    assert (await world.call("POST", "/operator/v1/resellers/VAR-A/keys")).status == 409
    assert [(await world.call("GET", "/v1/me", key=key)).status for key in (old, new)] == [200, 200]
    assert (await world.call("DELETE", f"/operator/v1/keys/{old.split('.')[0]}")).status == 204
    assert [(await world.call("GET", "/v1/me", key=key)).status for key in (old, new)] == [401, 200]
    world.keys["VAR-A"] = new


async def test_one_more_key_asked_for_ten_times_at_once_is_one_more_key(world: World) -> None:
    await world.register("VAR-KEYS")
    answers = await asyncio.gather(
        *(world.call("POST", "/operator/v1/resellers/VAR-KEYS/keys") for _ in range(10))
    )
    assert sorted(answer.status for answer in answers) == [201, *[409] * 9]


async def test_an_operators_decision_is_said_about_the_tenant(served: World) -> None:
    await served.tell(tenant_of("C"), registered("C"))
    await served.gateway.settled()
    path = f"/operator/v1/tenants/{tenant_of('C')}/assignment"
    answer = await served.call("PUT", path, {"reseller_id": "VAR-A", "reason": "near"})
    assert answer.status == 202
    await served.gateway.settled()
    said = await served.gateway.published(AssignmentDecided)
    assert [(fact.id, fact.subject, fact.data.reseller_id) for fact in said] == [
        (answer.body["event_id"], tenant_of("C"), "VAR-A")
    ]
    assert (await served.call("PUT", path, {"reseller_id": "VAR-NONE"})).status == 404


async def test_an_operators_review_is_said_about_the_order_and_a_resellers_is_not_taken(
    served: World,
) -> None:
    order_id = str(uuid4())
    path = f"/operator/v1/tenants/{tenant_of('A')}/orders/{order_id}/review"
    spec = {"review": "refuse", "reason": "nobody knows this firm"}
    assert (await served.call("PUT", path, spec, key=served.keys["VAR-A"])).status == 403
    assert (await served.call("PUT", path, {"review": "perhaps"})).status == 422
    answer = await served.call("PUT", path, spec)
    assert answer.status == 202
    await served.gateway.settled()
    (said,) = await served.gateway.published(OrderReviewed)
    assert (said.id, said.subject, said.data.order_id) == (
        answer.body["event_id"],
        tenant_of("A"),
        order_id,
    )
    assert (said.data.review, said.data.reason) == (Review.REFUSE, "nobody knows this firm")


async def test_a_person_at_a_tenant_can_be_forgotten(served: World) -> None:
    await served.post(order("A", id="to-be-forgotten"))
    path = f"/operator/v1/tenants/{tenant_of('A')}/contact"
    assert (await served.call("DELETE", path)).status == 204
    assert (await served.gateway.sql("select contact from tenant where id = $1", tenant_of("A")))[
        0
    ]["contact"] is None


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/operator/v1/resellers/operator", reseller("X"), 409),
        ("/operator/v1/resellers/none", reseller("X"), 409),
        ("/operator/v1/resellers/erp", reseller("X"), 409),
        ("/operator/v1/backends/VAR-A", {"name": "X", "skus": ["A"]}, 409),
        ("/operator/v1/resellers/%00", reseller("X"), 422),
        ("/operator/v1/resellers/VAR-X", reseller("X") | {"capacity": -1}, 422),
        ("/operator/v1/resellers/VAR-X", reseller("X") | {"languages": []}, 422),
        ("/operator/v1/resellers/VAR-X", reseller("X") | {"tiers": "gold"}, 422),
        ("/operator/v1/resellers/VAR-X", reseller("X", "ftp://x"), 422),
        ("/operator/v1/resellers/VAR-X", reseller("X", "http://[::1"), 422),
        ("/operator/v1/catalogue", CATALOGUE | {"meters": []}, 422),
        (
            "/operator/v1/catalogue",
            CATALOGUE | {"plans": [*CATALOGUE["plans"], CATALOGUE["plans"][0]]},
            422,
        ),
        ("/operator/v1/catalogue", [], 422),
    ],
    ids=[
        "named like the operator", "named like nobody", "named like a back-end", "a back-end named like a reseller",
        "a control character in the name", "no room", "no language", "tiers that are no list", "another scheme",
        "an address that is none", "plans without meters", "a plan twice", "no catalogue",
    ],
)  # fmt: skip
async def test_what_does_not_hold_together_is_not_registered(
    world: World, path: str, body: Any, status: int
) -> None:
    before = await world.gateway.sql("select revision from registry")
    answer = await world.call("PUT", path, body)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert await world.gateway.sql("select revision from registry") == before


async def test_old_refusals_go_and_their_totals_stay(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        await world.post({"specversion": "1.0"})
    total = (await world.call("GET", "/operator/v1/refusals")).body["total"]
    fewer = [kept._replace(rows=3) for kept in housekeeping.REFUSED]
    monkeypatch.setattr(housekeeping, "REFUSED", fewer)
    await housekeeping.tidy(world.gateway.runtime)
    found = (await world.call("GET", "/operator/v1/refusals")).body
    assert len(found["refusals"]) == 3
    assert found["total"] == total


async def test_refusals_go_when_their_time_is_over(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_world(database, bootstrap, topic_prefix, refused_days=10) as world:
        for days in (0, 6):
            world.clock.advance(timedelta(days=days))
            await world.post({"specversion": "1.0"})
        n = len((await world.call("GET", "/operator/v1/refusals")).body["refusals"])
        await housekeeping.tidy(world.gateway.runtime)
        assert len(await world.gateway.sql("select 1 from refusal")) == n
        world.clock.advance(timedelta(days=5))
        await housekeeping.tidy(world.gateway.runtime)
        assert len(await world.gateway.sql("select 1 from refusal")) == n // 2
        assert (
            REGISTRY.get_sample_value("vicino_refused_overdue_seconds", {"what": "refusals"}) == 0
        )


async def test_a_key_that_knocks_too_fast_is_told_when_to_come_back(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    patient = {"requests_per_second": 0.2, "requests_burst": 10.0}
    async with open_world(database, bootstrap, topic_prefix, **patient) as world:
        answers = [await world.call("GET", "/v1/me", key="VAR-B") for _ in range(20)]
        assert [answer.status for answer in answers[:10]] == [200] * 10
        slowed = [answer for answer in answers if answer.status == 429]
        assert slowed
        assert all(1 <= int(answer.headers["retry-after"]) <= 6 for answer in slowed)
        assert (await world.call("GET", "/v1/me", key="erp")).status == 200


def test_without_its_secrets_a_gateway_does_not_start() -> None:
    settings = GatewaySettings(postgres_url="postgresql://x", kafka_bootstrap="x")
    with pytest.raises(ValueError, match="VICINO_MASTER_KEY"):
        settings.key()


async def test_a_catalogue_that_breaks_a_rule_is_refused_with_every_place_and_says_nothing(
    world: World,
) -> None:
    before = await world.gateway.published(CataloguePublished)
    bad = copy.deepcopy(CATALOGUE)
    bad["meters"][0] |= {"group_by": ["region", "region"], "filter": {"env": []}}
    bad["plans"][0]["recurring"][0]["price"] = "-1"
    answer = await world.call("PUT", "/operator/v1/catalogue", bad)
    assert answer.status == 422
    assert [fault["pointer"] for fault in answer.body["errors"]] == [
        "/meters/0/group_by/1", "/meters/0/filter/env", "/plans/0/recurring/0/price",
    ]  # fmt: skip
    await world.gateway.settled()
    assert len(await world.gateway.published(CataloguePublished)) == len(before)


async def test_a_catalogue_that_would_begin_before_the_last_one_is_refused(world: World) -> None:
    later = CATALOGUE | {"valid_from": "2027-01-01T00:00:00Z"}
    assert (await world.call("PUT", "/operator/v1/catalogue", later)).status == 200
    before = await world.gateway.sql("select revision from registry")
    answer = await world.call("PUT", "/operator/v1/catalogue", CATALOGUE)
    assert answer.status == 422
    assert [(fault["pointer"], fault["reason"]) for fault in answer.body["errors"]] == [
        ("/valid_from", "retroactive")
    ]
    assert await world.gateway.sql("select revision from registry") == before
    assert (await world.call("PUT", "/operator/v1/catalogue", later)).status == 200
