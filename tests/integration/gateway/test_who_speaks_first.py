"""Who speaks is asked before a byte of the body is read, and wrong keys are slowed before any look-up."""

import asyncio
from typing import cast

import pytest

from services.chassis.strangers import SECONDS_PER_TRY, TRIES
from services.gateway.api import build_api
from services.gateway.api_reading import OtherServices
from services.gateway.doors import Doors
from services.gateway.usecases.registry import Registry
from tests.integration.gateway.world import TOKEN, World, open_world
from tests.support.databases import fresh_database
from tests.support.raw_http import ask, head, routes

ROUTES = sorted(
    routes(build_api(cast(Doors, None), cast(Registry, None), cast(OtherServices, None)))
)
BODY = ("content-length: 50000", "content-type: application/json")
WRONG = "0" * 18 + "." + "A" * 43


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[" ".join(route) for route in ROUTES])
async def test_without_a_key_the_answer_is_401_though_the_body_never_ends(
    world: World, method: str, path: str
) -> None:
    answer = await ask(world.gateway.url, head(method, path, *BODY) + b"{")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[" ".join(route) for route in ROUTES])
async def test_only_events_and_the_catalogue_may_be_large(
    world: World, method: str, path: str
) -> None:
    large = "content-length: 1000000"
    key = f"authorization: Bearer {TOKEN}"
    if (method, path) in (("POST", "/v1/events"), ("PUT", "/operator/v1/catalogue")):
        kind = "content-type: application/cloudevents+json"
        with pytest.raises(TimeoutError):  # the body is waited for
            await ask(world.gateway.url, head(method, path, key, kind, large) + b"{", seconds=0.5)
    else:
        assert (await ask(world.gateway.url, head(method, path, key, large) + b"{")).status == 413


async def test_the_operators_doors_are_closed_to_a_key_that_is_known(world: World) -> None:
    for method, path in ROUTES:
        if path.startswith("/operator/"):
            key = f"authorization: Bearer {world.keys['VAR-A']}"
            assert (
                await ask(world.gateway.url, head(method, path, key, *BODY) + b"{")
            ).status == 403, path


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/deliveries%00", 404), ("/operator/v1/resellers/a%ffb", 404), ("/operator/v1/resellers/%ff", 404),
        ("/v1/deliveries?state=%00", 400), ("/v1/deliveries?state=%ff%fe", 400), ("/v1/deliveries?limit=%0d%0a", 400),
    ],
)  # fmt: skip
async def test_a_path_or_a_query_that_is_no_text_is_refused(
    world: World, path: str, status: int
) -> None:
    for method in ("GET", "PUT"):
        answer = await ask(
            world.gateway.url,
            head(method, path, f"authorization: Bearer {TOKEN}", "content-length: 0"),
        )
        assert answer.status == status


async def _once_slowed(world: World, key: str) -> int:
    """The status that a key gets after wrong ones, when the next try is a while off: tries come back meanwhile."""
    async with asyncio.timeout(30):
        while True:
            answer = await world.call("GET", "/v1/me", key=WRONG)
            if answer.status == 429 and int(answer.headers["retry-after"]) > SECONDS_PER_TRY / 2:
                return (await world.call("GET", "/v1/me", key=key)).status


async def test_wrong_keys_are_slowed_by_address_before_any_look_up_and_known_ones_are_not(
    superuser_url: str, bootstrap: str, topic_prefix: str
) -> None:
    async with (
        fresh_database(superuser_url) as database,
        open_world(database, bootstrap, topic_prefix) as world,
    ):
        assert (await world.call("GET", "/v1/me", key="VAR-A")).status == 200
        found = [await world.call("GET", "/v1/me", key=WRONG) for _ in range(int(TRIES) + 10)]
        statuses = [answer.status for answer in found]
        assert statuses[: int(TRIES)] == [401] * int(TRIES)
        assert statuses.count(429) >= 5
        slowed = [answer for answer in found if answer.status == 429]
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in slowed)
        unknown = await _once_slowed(world, "VAR-B")
        assert unknown == 429, "a key that was never right from here is not looked up"
        assert (await world.call("GET", "/v1/me", key="VAR-A")).status == 200
        assert (await world.call("GET", "/operator/v1/refusals")).status == 200
