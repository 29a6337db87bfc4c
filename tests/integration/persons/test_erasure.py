"""A person is in clear nowhere inside, whatever became of the events that named them, and readable nowhere once erased."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from schemas.alerts import AlertOpened, AlertResolved
from schemas.envelope import decode
from schemas.orders import OrderPlaced
from schemas.persons import together
from schemas.topics import SIGNALS
from services.chassis.sealing import SealBroken
from services.gateway import store
from services.gateway.domain.cloudevents import BATCHED, STRUCTURED
from services.gateway.principals import tenant_keys
from services.gateway.principals.contacts import Contacts, Persons, place_of
from tests.integration.gateway.test_in_flight import losing
from tests.integration.gateway.world import ADDRESS, cloud_event, order_data, tenant_of
from tests.integration.persons.street import Person, Street, open_street, order_of, person
from tests.support.premises import premises
from tests.support.running import read_topic
from tests.support.servers import Addresses


@pytest.fixture
async def street(addresses: Addresses) -> AsyncIterator[Street]:
    async with (
        premises(addresses) as (database, prefix),
        open_street(addresses, database, prefix) as found,
    ):
        yield found


@pytest.fixture(scope="module")
async def shared_street(addresses: Addresses) -> AsyncIterator[Street]:
    """For tests that ask only for what they have said themselves."""
    async with (
        premises(addresses) as (database, prefix),
        open_street(addresses, database, prefix) as found,
    ):
        yield found


async def accepted(street: Street, someone: Person) -> None:
    """Everything that names a person and is let in, acts."""
    await street.world.post(order_of("A", someone, id="accepted"))
    alert_id = await street.open_alert("A")
    for kind, data in (
        ("vicino.acknowledgement.given.v1", {"alert_id": alert_id, "by": someone.by}),
        (
            "vicino.resolution.given.v1",
            {"alert_id": alert_id, "by": someone.by, "note": someone.note},
        ),
    ):
        answer = await street.world.post(cloud_event(kind, data, tenant_of("A")))
        assert answer.status == 202, answer


async def refused(street: Street, someone: Person) -> None:
    """What names a person is refused, for every kind of reason; the person stands where nobody expects them, too."""
    contact, data = someone.contact, order_data("C")
    data["tenant"]["contact"] = contact
    tenant = data["tenant"]
    misplaced = {f"{word}": word for word in someone.words}
    wrong: list[Any] = [
        data | {"tenant": tenant | {"address": ADDRESS | {"cap": "x"}}},
        data
        | {
            "tenant": tenant
            | {
                "contact": contact
                | {"email": f"no address of {someone.email}", "phone": someone.name}
            }
        },
        data | {"tenant": tenant | {"contact": misplaced}},
        data | {"tenant": tenant | {"partita_iva": someone.phone}},
        data | {"tenant": tenant | {"external_id": someone.name}},
        data | {"items": [{"action": "add", "sku": "ERP-CLOUD", "quantities": misplaced}]},
        data | {"items": [{"action": someone.name, "sku": someone.email}]},
        data | {"effective_at": someone.phone},
        data | misplaced,
        [someone.name],
    ]
    order = "vicino.order.placed.v1"
    events = [cloud_event(order, each) for each in wrong]
    events += [
        cloud_event(order, data, id=someone.email, source=f"mailto:{someone.email}", time=someone.name),
        cloud_event(order, data, subject=tenant_of("B")),
        cloud_event(someone.name, data),
        cloud_event(order, data, **{someone.name: someone.email}),
        cloud_event(order, data | {"reference": "\x00" + someone.name}),
        cloud_event("vicino.acknowledgement.given.v1", {"alert_id": someone.by, "by": someone.by}, tenant_of("A")),
        cloud_event("vicino.resolution.given.v1", {"by": someone.by, "note": someone.note}, tenant_of("A")),
        cloud_event("vicino.resolution.given.v1", {"alert_id": str(uuid4()), "by": someone.by}, tenant_of("C")),
    ]  # fmt: skip
    for event in events:
        assert 400 <= (await street.world.post(event)).status < 500, event
    assert (await street.world.post(events)).status in (400, 422)
    assert (await street.world.post(order_of("A", someone, id="back-end"), "erp")).status == 403
    broken = msgspec.json.encode(order_of("C", someone))
    for body, kind in ((broken[:-1], STRUCTURED), (broken, "text/plain"), (b"[" + broken, BATCHED)):
        answer = await street.world.raw("POST", "/v1/events", body, {"content-type": kind}, "VAR-A")
        assert 400 <= answer.status < 500
    path = f"/operator/v1/tenants/{tenant_of('A')}/assignment"
    assert (
        await street.world.call("PUT", path, {"reseller_id": "VAR-NONE", "reason": someone.reason})
    ).status == 404
    assert await street.world.gateway.sql("select 1 from refusal")


async def rejected(street: Street, someone: Person) -> None:
    """What names a person is let in, and inside nobody can act on it: it becomes a dead letter."""
    await street.onboarding.sql(
        "create function fail() returns trigger language plpgsql as $$ begin raise exception 'planted'; end $$"
    )
    await street.onboarding.sql(
        "create trigger fail before insert on service_order for each row"
        " when (new.reference = 'REJECTED') execute function fail()"
    )
    order = order_of("A", someone, id="rejected")
    order["data"]["reference"] = "REJECTED"
    assert (await street.world.post(order)).status == 202
    await street.service_of("A")
    alert_id = await street.open_alert("A")
    await street.monitoring.sql(
        "update tenant set reseller_id = 'VAR-B' where id = $1", tenant_of("A")
    )
    for kind, more in (("acknowledgement", {}), ("resolution", {"note": someone.note})):
        data = {"alert_id": alert_id, "by": someone.by, **more}
        assert (
            await street.world.post(cloud_event(f"vicino.{kind}.given.v1", data, tenant_of("A")))
        ).status == 202
    decision = {"reseller_id": "VAR-A", "reason": someone.reason}
    path = f"/operator/v1/tenants/{tenant_of('A')}/assignment"
    # A door that has not read yet who serves the tenant lets a decision in that onboarding refuses.
    await street.world.gateway.sql(
        "update tenant set reseller_id = null where id = $1", tenant_of("A")
    )
    assert (await street.world.call("PUT", path, decision)).status == 202
    await street.onboarding.eventually(lambda: _has(street.onboarding, "reject", 2))
    await street.monitoring.eventually(lambda: _has(street.monitoring, "reject", 2))


async def parked(street: Street, someone: Person) -> None:
    """What names a person waits for what it builds on."""
    await street.service_of("A")
    for kind, more in (("acknowledgement", {}), ("resolution", {"note": someone.note})):
        alert_id = str(uuid4())
        # The door has read of it, and monitoring was restored to an earlier point.
        await street.world.gateway.sql(
            "insert into alert values ($1, $2)", alert_id, tenant_of("A")
        )
        data = {"alert_id": alert_id, "by": someone.by, **more}
        assert (
            await street.world.post(cloud_event(f"vicino.{kind}.given.v1", data, tenant_of("A")))
        ).status == 202
    await street.monitoring.eventually(lambda: _has(street.monitoring, "parked", 2))


async def in_flight(street: Street, someone: Person) -> None:
    """Kafka does not take what names a person: it waits at the door."""
    await street.service_of("A")
    with losing(street.world, messages=True):
        assert (await street.world.post(order_of("A", someone, id="in-flight"))).status == 503
    assert await _has(street.world.gateway, "accepted_order where state = 'sending'", 1)


async def _has(service: Any, table: str, n: int) -> bool:
    return len(await service.sql(f"select 1 from {table}")) >= n


PATHS: dict[str, Callable[[Street, Person], Awaitable[None]]] = {
    "accepted": accepted, "refused": refused, "rejected": rejected, "parked": parked, "in flight": in_flight,
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_a_person_is_in_clear_nowhere_inside_and_readable_nowhere_once_erased(
    street: Street, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    someone = person()
    assert (await street.world.post(order_of("A", someone, id="first"))).status == 202
    await street.service_of("A")
    await PATHS[path](street, someone)
    if path != "in flight":
        await street.settled()
    log = "".join(capfd.readouterr())
    assert await street.where(someone.words, log) == {}
    opened = await everything_sealed(street)
    assert set(someone.contact.values()) <= set(opened)
    if path in ("accepted", "rejected", "parked"):
        assert {someone.by, someone.note} <= set(opened)
    path_ = f"/operator/v1/tenants/{tenant_of('A')}/contact"
    assert (await street.world.call("DELETE", path_)).status == 204
    log += "".join(capfd.readouterr())
    assert await street.where(someone.words, log) == {}
    with pytest.raises(LookupError):
        await everything_sealed(street)


async def everything_sealed(street: Street) -> list[str]:
    """Whatever firm A's events say of persons, opened with its key. Raises `LookupError` when it has none."""
    persons = await persons_of(street, "A")
    words: list[str] = []
    for topic in ("orders.v1", "orders.v1.dlq", "signals.v1", "signals.v1.dlq"):
        for raw in await read_topic(street.bootstrap, street.prefix + topic):
            event = decode(raw)
            if event.sealed is not None and event.subject == tenant_of("A"):
                words += persons.open(b64decode(event.sealed), place_of(event)).values()
    return words


async def persons_of(street: Street, firm: str) -> Persons:
    async with street.world.gateway.runtime.pool.acquire() as db:
        contacts = Contacts(street.world.gateway.service.settings.keys())
        return (await tenant_keys.known(db, contacts, [tenant_of(firm)]))[tenant_of(firm)]


async def test_whoever_is_to_call_somebody_is_told_whom_until_that_person_is_erased(
    street: Street,
) -> None:
    someone = person()
    await street.world.post(order_of("A", someone))
    alert_id = await street.open_alert("A")

    async def told() -> Any:
        return [item.event["data"] for item in street.receivers.of(AlertOpened.wire_type)]

    [first] = await street.world.gateway.eventually(told)
    assert (first["tenant"]["contact"], first["contact"]["name"]) == (
        someone.contact,
        "Tecnico VAR-A",
    )
    assert (
        await street.world.call("DELETE", f"/operator/v1/tenants/{tenant_of('A')}/contact")
    ).status == 204
    data = {"alert_id": alert_id, "by": someone.by, "note": someone.note}
    await street.world.post(cloud_event("vicino.resolution.given.v1", data, tenant_of("A")))

    async def resolved() -> Any:
        return [item.event["data"] for item in street.receivers.of(AlertResolved.wire_type)]

    [last] = await street.world.gateway.eventually(resolved)
    assert (last["tenant"]["contact"], last["by"]) == (None, "VAR-A")


async def test_an_event_that_travels_is_what_was_said_for_whoever_holds_the_key_and_only_at_its_place(
    street: Street,
) -> None:
    someone = person()
    for n in range(2):
        await street.world.post(order_of("A", someone, id=f"o-{n}"))
    first, second = await street.world.gateway.published(OrderPlaced)
    persons = await persons_of(street, "A")
    assert first.sealed is not None
    said = persons.open(b64decode(first.sealed), place_of(first))
    whole = together(first.data, said)
    assert whole.tenant is not None
    assert whole.tenant.contact.model_dump() == someone.contact
    assert someone.name not in first.encode().decode()
    with pytest.raises(SealBroken):
        persons.open(b64decode(first.sealed), place_of(second))


async def test_an_order_sent_again_after_an_erasure_gets_its_answer_and_brings_nobody_back(
    street: Street,
) -> None:
    someone, another = person(), person()
    sent = order_of("A", someone, id="o-1")
    before = await street.world.post(sent)
    changed = order_of("A", another, id="o-1")
    assert (await street.world.post(changed)).reasons == ["id_reuse"]
    path = f"/operator/v1/tenants/{tenant_of('A')}/contact"
    for _ in range(2):
        assert (await street.world.call("DELETE", path)).status == 204
    after = await street.world.post(sent)
    assert (after.status, after.text) == (202, before.text)
    assert await contact(street) is None
    assert (
        await street.world.post(sent | {"data": sent["data"] | {"reference": "x"}})
    ).reasons == ["id_reuse"]
    # Somebody new may be named, under a new key; what was said before stays unreadable, and still is no other order.
    assert (await street.world.post(order_of("A", another, id="o-2"))).status == 202
    assert await contact(street) == another.contact
    assert (await street.world.post(sent)).text == before.text
    [old] = [fact for fact in await street.world.gateway.published(OrderPlaced) if fact.id == "o-1"]
    persons = await persons_of(street, "A")
    with pytest.raises(SealBroken):
        persons.open(b64decode(old.sealed or ""), place_of(old))


async def contact(street: Street) -> dict[str, Any] | None:
    async with street.world.gateway.runtime.pool.acquire() as db:
        contacts = Contacts(street.world.gateway.service.settings.keys())
        tenant = await store.tenant(db, tenant_of("A"))
        assert tenant is not None
        return await tenant_keys.contact_of(db, contacts, tenant)


async def test_erasing_while_orders_come_leaves_nothing_that_nobody_can_open(
    street: Street,
) -> None:
    path = f"/operator/v1/tenants/{tenant_of('A')}/contact"
    await street.world.post(order_of("A", person()))
    for _ in range(6):
        orders = [street.world.post(order_of("A", person())) for _ in range(4)]
        erasures = [street.world.call("DELETE", path) for _ in range(2)]
        answers = await asyncio.gather(*orders, *erasures)
        assert [answer.status for answer in answers] == [202] * 4 + [204] * 2
        await contact(street)  # raises when it is sealed under a key that is gone
    assert (await street.world.call("DELETE", path)).status == 204
    assert await contact(street) is None
    assert (
        await street.world.gateway.sql(
            "select 1 from tenant_key where tenant_id = $1", tenant_of("A")
        )
        == []
    )


@pytest.mark.parametrize(
    "place", ["a table", "bytes of a table", "a topic", "a header", "the log", "a file"]
)
async def test_whoever_is_named_in_clear_is_found(shared_street: Street, place: str) -> None:
    street, someone, log = shared_street, person(), ""
    words = (someone.name, someone.email)
    gateway = street.world.gateway
    if place == "a table":
        await gateway.sql("insert into tenant (id, name) values ($1, $2)", place, someone.name)
    elif place == "bytes of a table":
        await gateway.sql(
            "insert into tenant (id, contact) values ($1, $2)", place, someone.name.encode()
        )
    elif place == "a topic":
        await gateway.send((SIGNALS, None, b64encode(b"_" + someone.name.encode())))
    elif place == "a header":
        headers = [("x", someone.name.encode())]
        await gateway.runtime.producer.send_all([(SIGNALS.name, b"k", b"{}", headers)], 10)
    elif place == "the log":
        log = f"order of {someone.name}"
    else:
        (street.home / f"{uuid4().hex}.txt").write_text(someone.name, encoding="utf-8")
    found = await street.where(words, log)
    assert found
    assert all(seen == {someone.name} for seen in found.values())
