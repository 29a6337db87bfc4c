"""What earlier builds kept of persons: it is read, and it goes with an erasure as what is kept today."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from schemas.envelope import decode
from schemas.orders import OrderPlaced
from services.chassis.sealing import Sealer
from services.gateway import housekeeping, store
from services.gateway.domain.admission import content_of
from services.gateway.domain.cloudevents import parse
from services.gateway.domain.reading import read
from services.gateway.inbound.in_flight import InFlight
from services.gateway.principals import sealed, tenant_keys
from services.gateway.principals.contacts import Contacts
from services.onboarding.app import OnboardingSettings
from tests.integration.gateway.world import CONTACT, World, open_world, order, tenant_of
from tests.support.before import home_of_before, upgraded
from tests.support.databases import fresh_database
from tests.support.running import settings_for
from tests.support.searching import found_in, tables

SAID = tuple(CONTACT.values())


@pytest.fixture
async def world(superuser_url: str, bootstrap: str) -> AsyncIterator[World]:
    async with (
        fresh_database(superuser_url) as database,
        open_world(database, bootstrap, f"t{uuid4().hex[:8]}.") as found,
    ):
        yield found


async def keep_as_before(world: World) -> None:
    """A contact sealed under the master key."""
    contacts, tenant = Contacts(world.gateway.service.settings.keys()), tenant_of("A")
    kept = contacts.seal(CONTACT, sealed.tenant_contact(tenant))
    await world.gateway.sql("update tenant set contact = $2 where id = $1", tenant, kept)


async def contact(world: World) -> dict[str, Any] | None:
    async with world.gateway.runtime.pool.acquire() as db:
        tenant = await store.tenant(db, tenant_of("A"))
        assert tenant is not None
        return await tenant_keys.contact_of(
            db, Contacts(world.gateway.service.settings.keys()), tenant
        )


@pytest.mark.parametrize("adopted", [False, True], ids=["as it was", "under a key of its own"])
async def test_a_contact_of_before_is_read_is_sealed_under_a_key_of_its_own_and_is_erased(
    world: World, adopted: bool
) -> None:
    await world.serve("A", "VAR-A")
    await keep_as_before(world)
    if adopted:
        await housekeeping.tidy(world.gateway.runtime)
        [kept] = await world.gateway.sql(
            "select substring(contact from 4 for 6) = key_id as own from tenant join tenant_key on tenant_id = id"
        )
        assert kept["own"]
    assert await contact(world) == CONTACT
    # An order brings the tenant a key, and changes nothing of what is known.
    assert (await world.post(order("A"))).status == 202
    await housekeeping.tidy(world.gateway.runtime)
    assert await contact(world) == CONTACT
    assert (
        await world.call("DELETE", f"/operator/v1/tenants/{tenant_of('A')}/contact")
    ).status == 204
    await housekeeping.tidy(world.gateway.runtime)
    assert await contact(world) is None


async def test_a_contact_that_no_key_opens_holds_up_no_other(world: World) -> None:
    for firm in ("A", "B"):
        await world.serve(firm, f"VAR-{firm}")
    await keep_as_before(world)
    lost = Sealer(b"l" * 32, "contacts").seal(b"{}", sealed.tenant_contact(tenant_of("B")))
    await world.gateway.sql("update tenant set contact = $2 where id = $1", tenant_of("B"), lost)
    await housekeeping.tidy(world.gateway.runtime)
    assert await world.gateway.sql("select tenant_id from tenant_key") != []
    assert await contact(world) == CONTACT


@pytest.mark.parametrize("state", ["sent", "sending"])
async def test_an_order_that_an_earlier_build_let_in_gets_its_answer_again_and_is_sent_as_it_was(
    world: World, state: str
) -> None:
    sent = order("A", id="o-1")
    [incoming] = parse(
        [("content-type", "application/cloudevents+json")], json.dumps(sent).encode()
    )
    typed = read(incoming)
    assert not isinstance(typed, list)
    answer = {
        "source": "/portal",
        "id": "o-1",
        "type": sent["type"],
        "tenant_id": tenant_of("A"),
        "order_id": "x",
    }
    message = json.dumps(sent | {"subject": tenant_of("A"), "principal": "VAR-A"}).encode()
    kept = Sealer(world.gateway.service.settings.key(), "orders in flight").seal(message)
    await world.gateway.sql(
        "insert into accepted_order (principal, source, id, content_hash, answer, state, key, message, tried_at)"
        " values ('VAR-A', '/portal', 'o-1', $1, $2, $3, $4, $5, now())",
        content_of(typed).whole, answer, state, *((b"k", kept) if state == "sending" else (None, None)),
    )  # fmt: skip
    again = await world.post(sent)
    assert (again.status, again.body["accepted"]) == (202, [answer])
    found = await world.gateway.published(OrderPlaced)
    assert [fact.data.tenant.contact.model_dump() for fact in found if fact.data.tenant] == (
        [CONTACT] if state == "sending" else []
    )
    other = sent | {"data": sent["data"] | {"reference": "another"}}
    assert (await world.post(other)).reasons == ["id_reuse"]
    assert (
        await InFlight(world.gateway.service.settings.keys()).send_again(world.gateway.runtime, 0)
        == 0
    )


GIVEN = {"alert_id": "11111111-1111-1111-1111-111111111111", "by": CONTACT["name"]}
RECORDS: dict[str, tuple[str, dict[str, Any]]] = {
    "an order": ("vicino.order.placed.v1", order("A")["data"]),
    "an acknowledgement": ("vicino.acknowledgement.given.v1", GIVEN),
    "a resolution": ("vicino.resolution.given.v1", GIVEN | {"note": CONTACT["email"]}),
    "a decision": (
        "vicino.assignment.decided.v1",
        {"reseller_id": "VAR-A", "reason": CONTACT["phone"]},
    ),
}


@pytest.mark.parametrize("name", RECORDS)
async def test_what_tables_kept_of_records_of_before_names_nobody_after_the_upgrade_and_can_be_sent_again(
    name: str, database: str, bootstrap: str, topic_prefix: str
) -> None:
    kind, data = RECORDS[name]
    settings = await settings_for(
        OnboardingSettings,
        "onboarding",
        database,
        bootstrap,
        topic_prefix,
        provisioning_url="postgresql://x",
    )
    event = order("A") | {
        "type": kind,
        "data": data,
        "subject": tenant_of("A"),
        "principal": "VAR-A",
    }
    raws = [
        json.dumps(event).encode(),
        b'{"contact": not JSON',
        b'{"contact": 1}',
        b"\xff .given.v1",
    ]
    async with home_of_before("onboarding", settings) as db:
        for n, raw in enumerate(raws):
            await db.execute(
                "insert into reject (topic, part, log_id, \"offset\", reason, detail, raw)"
                " values ('orders.v1', 0, 'log', $1, 'x', 'x', $2)", n, raw,
            )  # fmt: skip
            await db.execute(
                "insert into outbox (id, aggregatetype, aggregateid, type, payload) values ($1, 'orders.v1.dlq', '', 'x', $2)",
                uuid4(), raw,
            )  # fmt: skip
    assert any(found_in(content, SAID) for content in (await tables(database)).values())
    async with upgraded("onboarding", settings) as db:
        assert [
            place for place, content in (await tables(database)).items() if found_in(content, SAID)
        ] == []
        for query in (
            'select raw from reject order by "offset"',
            "select payload from outbox order by seq",
        ):
            kept = [row[0] for row in await db.fetch(query)]
            assert decode(kept[0]).type == kind
            assert kept[1:2] + kept[3:] == raws[1:2] + raws[3:]
