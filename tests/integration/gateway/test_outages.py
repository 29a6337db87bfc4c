"""While Kafka or the database is unavailable a door says 503, and what is sent again with the same id comes in once.

With servers of its own: killing the shared ones would be felt by every other test.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.orders import OrderPlaced
from services.gateway.domain.owner_links import new_link
from services.gateway.usecases import admit_events
from services.local.kafka import Kafka
from services.local.postgres import Postgres
from services.local.roles import ensure_database
from tests.integration.gateway.world import (
    NOW,
    VAT_NUMBERS,
    World,
    open_world,
    order,
    tenant_of,
    usage,
)


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[tuple[Postgres, Kafka]]:
    home = Path(tempfile.mkdtemp(prefix="vicino-tests-"))
    home.chmod(0o711)
    postgres = await Postgres.start(home / "postgres", log=home / "postgres.log")
    kafka = await Kafka.start(home / "kafka")
    yield postgres, kafka
    await kafka.stop()
    await postgres.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
async def lonely(servers: tuple[Postgres, Kafka]) -> AsyncIterator[World]:
    postgres, kafka = servers
    await ensure_database(postgres.superuser_url, "outage")
    database = postgres.superuser_url.rsplit("/", 1)[0] + "/outage"
    async with open_world(
        database, kafka.bootstrap, "outage.", public_url="http://127.0.0.1:1"
    ) as world:
        await world.serve("A", "VAR-A")
        yield world


async def test_nothing_is_accepted_while_kafka_is_dead_and_what_is_sent_again_comes_in_once(
    lonely: World, servers: tuple[Postgres, Kafka], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admit_events, "SEND_TIMEOUT_SECONDS", 1.0)
    kafka = servers[1]
    first = order("A", id="outage-1")
    await kafka.kill(1)
    for sent in (first, usage(lonely)):
        answer = await lonely.post(sent)
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    await kafka.start_node(1)
    await kafka.wait_ready()

    async def is_in() -> bool:
        return (await lonely.post(first)).status == 202

    await lonely.gateway.eventually(is_in, 60)
    assert (await lonely.post(first)).status == 202
    # Kafka may have had it although the door could not know: the same id twice, which onboarding's inbox takes once.
    found = [
        event for event in await lonely.gateway.published(OrderPlaced) if event.id == "outage-1"
    ]
    assert len({event.encode() for event in found}) == 1


async def test_a_door_says_503_while_the_database_is_away_and_recovers(
    lonely: World, servers: tuple[Postgres, Kafka]
) -> None:
    postgres = servers[0]
    await postgres.stop_immediately()
    for sent in (order("A", id="outage-2"), {"not": "an event"}):
        answer = await lonely.post(sent)
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    await check_owners_pages(lonely)
    await postgres.launch()

    async def is_in() -> bool:
        return (await lonely.post(order("A", id="outage-2"))).status == 202

    await lonely.gateway.eventually(is_in, 60)


async def check_owners_pages(world: World) -> None:
    """Owners read that in a page, too, whatever they ask for."""
    link = new_link(tenant_of("A"), NOW).written(bytes(32))
    form = {"partita_iva": VAT_NUMBERS["A"]}
    for method, path, sent in (("GET", f"/mia/{link}", None), ("POST", "/mia/collegamento", form)):
        async with world.session.request(method, world.gateway.url + path, data=sent) as answer:
            said = await answer.text()
        found = (answer.status, answer.content_type, answer.headers.get("retry-after"))
        assert found == (503, "text/html", "2"), f"{method} {path}: {said}"
        assert "non riusciamo a rispondere" in said
