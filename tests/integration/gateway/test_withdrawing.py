"""A reseller that serves nobody any more is withdrawn: its keys end, and no tenant is placed with it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from schemas.catalogue import ResellerRegistered
from schemas.tenants import ServiceEnded
from tests.integration.gateway.world import NOW, World, assigned, open_world, reseller, tenant_of

PATH = "/operator/v1/resellers/VAR-A"


@pytest.fixture
async def alone(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[World]:
    async with open_world(database, bootstrap, topic_prefix) as world:
        yield world


async def withdrawn(world: World) -> int:
    return (await world.call("DELETE", PATH)).status


async def test_its_keys_end_and_it_takes_no_tenant_until_it_is_registered_again(
    alone: World,
) -> None:
    assert (await alone.call("GET", "/v1/me", key="VAR-A")).status == 200
    assert await withdrawn(alone) == 204
    assert (await alone.call("GET", "/v1/me", key="VAR-A")).status == 401
    await alone.gateway.settled()
    facts = [
        one.data
        for one in await alone.gateway.published(ResellerRegistered)
        if one.data.reseller_id == "VAR-A"
    ]
    assert [fact.capacity for fact in facts] == [10, 0]
    assert facts[1].revision > facts[0].revision
    assert (await alone.call("GET", PATH)).body["capacity"] == 0
    assert await withdrawn(alone) == 204, "once more changes nothing"
    assert (await alone.call("PUT", PATH, reseller("VAR-A"))).status == 200
    assert (await alone.call("POST", f"{PATH}/keys")).status == 201
    assert (await alone.call("DELETE", "/operator/v1/resellers/VAR-NONE")).status == 404


async def test_one_that_serves_a_tenant_stays_until_it_is_moved_or_has_left(alone: World) -> None:
    service_id = await alone.serve("A", "VAR-A")
    answer = await alone.call("DELETE", PATH)
    assert (answer.status, answer.reasons, "tenants (1)" in answer.body["detail"]) == (
        409,
        ["already_assigned"],
        True,
    )
    assert (await alone.call("GET", "/v1/me", key="VAR-A")).status == 200
    end = ServiceEnded(
        service_id=service_id,
        sku="ERP-CLOUD",
        effective_at=NOW + timedelta(hours=1),
        reason="requested",
    )
    await alone.tell(tenant_of("A"), end)
    await alone.gateway.settled()
    assert await withdrawn(alone) == 409, "not before the end"
    alone.clock.advance(timedelta(hours=1))
    assert await withdrawn(alone) == 204
    await alone.call("PUT", PATH, reseller("VAR-A"))
    await alone.serve("C", "VAR-A")
    assert await withdrawn(alone) == 409
    await alone.tell(tenant_of("C"), assigned("VAR-B"))
    await alone.gateway.settled()
    assert await withdrawn(alone) == 204
