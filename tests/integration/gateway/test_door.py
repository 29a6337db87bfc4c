"""The door: what is sound and theirs comes in, once; everything else is refused with its place and reason, and nothing stays."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from schemas.envelope import Event
from schemas.orders import OrderPlaced
from schemas.scalars import rfc3339
from schemas.tenants import ServiceActivated, TenantAssigned, TenantRegistered
from schemas.topics import ORDERS, USAGE
from schemas.usage import UsageRecorded
from services.chassis.clock import ManualClock
from services.gateway.app import GatewaySettings, build
from services.local.demo.world import PARTIES, Answer, Client, catalogue, cloud_event
from services.local.kafka import Kafka
from services.local.postgres import Postgres
from services.local.roles import ensure_database
from tests.support.running import Running, read_topic, running, settings_for

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
TENANT, OTHER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
SERVICE, FOREIGN = "33333333-3333-3333-3333-333333333333", "44444444-4444-4444-4444-444444444444"
USAGE_TYPE = "vicino.usage.recorded.v1"


@dataclass
class Door:
    """A gateway that knows two resellers, a tenant of each, and a service of each."""

    gateway: Running
    operator: Client
    keys: dict[str, str]
    session: aiohttp.ClientSession
    before: dict[str, int] = field(default_factory=dict)

    def client(self, who: str) -> Client:
        return Client(self.session, self.gateway.url, self.keys[who])

    async def _read(self, topic: str) -> list[dict[str, Any]]:
        settings = self.gateway.service.settings
        return [json.loads(raw) for raw in await read_topic(settings.kafka_bootstrap, settings.topic_prefix + topic)]

    async def arrived(self, topic: str) -> list[dict[str, Any]]:
        """What came into a topic since the test began."""
        return (await self._read(topic))[self.before.get(topic, 0) :]

    async def forget(self) -> None:
        """Begin anew: what is in the topics is counted off, what was accepted or refused is forgotten."""
        for topic in (ORDERS.name, USAGE.name):
            self.before[topic] = len(await self._read(topic))
        await self.gateway.sql("delete from accepted_order")
        await self.gateway.sql("update api_key set revoked_at = null")


async def _know(gateway: Running, tenant: str, service: str, reseller: str, n: int) -> None:
    details = {k: v for k, v in PARTIES["tenants"][n].items() if k not in ("items", "contact")}
    place = PARTIES["resellers"][0]["place"]
    said = (
        TenantRegistered(**details, place=place),
        TenantAssigned(reseller_id=reseller, distance_km="1.0", score="100.00", ranking=()),
        ServiceActivated(
            service_id=service, order_id=tenant, item=0, sku="ERP-CLOUD", quantities={"base": "1"}, effective_at=NOW
        ),
    )
    await gateway.publish(*(Event(f"{tenant}-{i}", "/test", p.wire_type, tenant, NOW, p) for i, p in enumerate(said)))


@pytest.fixture
async def door(shared_door: Door) -> Door:
    """The module's gateway, with nothing accepted or refused yet: each test begins with empty lists."""
    await shared_door.forget()
    return shared_door


@pytest.fixture(scope="module")
async def shared_door(postgres: Postgres, kafka: Kafka) -> AsyncIterator[Door]:
    topic_prefix = f"door{uuid4().hex[:8]}."
    database = postgres.superuser_url.rsplit("/", 1)[0] + f"/door_{uuid4().hex[:8]}"
    await ensure_database(postgres.superuser_url, database.rsplit("/", 1)[1])
    settings = await settings_for(
        GatewaySettings, "gateway", database, kafka.bootstrap, topic_prefix, webhook_allow_private=True
    )
    async with running(build(settings), ManualClock(NOW)) as gateway, aiohttp.ClientSession() as session:
        operator = Client(session, gateway.url, settings.token())
        await operator.call("PUT", "/operator/v1/catalogue", catalogue("http://127.0.0.1:9"))
        keys = {}
        for reseller in PARTIES["resellers"][:2]:
            body = {k: v for k, v in reseller.items() if k != "id"} | {"webhook_url": "http://127.0.0.1:9/x"}
            answer = await operator.call("PUT", f"/operator/v1/resellers/{reseller['id']}", body)
            keys[reseller["id"]] = answer.body["api_key"]
        await _know(gateway, TENANT, SERVICE, "VAR-TO-01", 0)
        await _know(gateway, OTHER, FOREIGN, "VAR-MI-01", 1)
        await gateway.eventually(lambda: gateway.sql("select 1 from service having count(*) = 2"))
        yield Door(gateway, operator, keys, session)


def usage(event_id: str = "u-1", time: str | None = None, subject: str = TENANT, **data: Any) -> dict[str, Any]:
    body = {"service_id": SERVICE, "meter": "e_invoices", "value": "2026/1", **data}
    return cloud_event(USAGE_TYPE, event_id, "/test", time or rfc3339(NOW), body, subject)


def order(event_id: str = "o-1", n: int = 2, **details: Any) -> dict[str, Any]:
    tenant = {k: v for k, v in PARTIES["tenants"][n].items() if k != "items"} | details
    data = {"reference": "R", "tenant": tenant, "items": PARTIES["tenants"][n]["items"]}
    return cloud_event("vicino.order.placed.v1", event_id, "/test", rfc3339(NOW), data)


def without(event: dict[str, Any], name: str) -> dict[str, Any]:
    return {k: v for k, v in event.items() if k != name}


def reasons(answer: Answer) -> list[tuple[int, str, str]]:
    return [(error["index"], error["pointer"], error["reason"]) for error in answer.body["errors"]]


async def test_an_order_and_usage_come_in_and_are_in_kafka_when_the_answer_is_there(door: Door) -> None:
    reseller = door.client("VAR-TO-01")
    placed, used = await reseller.send(order()), await reseller.send_batch([usage("u-1"), usage("u-2", value="2026/2")])
    assert (placed.status, used.status) == (202, 202)
    orders, events = await door.arrived(ORDERS.name), await door.arrived(USAGE.name)
    assert [event["principal"] for event in orders] == ["VAR-TO-01"]
    assert orders[0]["subject"] == placed.body["accepted"][0]["tenant_id"]
    assert sorted(event["id"] for event in events) == ["u-1", "u-2"]


BAD: list[tuple[str, dict[str, Any], int, str, str]] = [
    ("unknown type", {**usage(), "type": "nobody.knows.v1"}, 422, "/type", "unknown_type"),
    ("unknown version", {**usage(), "type": "vicino.usage.recorded.v9"}, 422, "/type", "unknown_type"),
    ("no id", without(usage(), "id"), 400, "/id", "bad_envelope"),
    ("no source", without(usage(), "source"), 400, "/source", "bad_envelope"),
    ("no time", without(usage(), "time"), 400, "/time", "bad_envelope"),
    ("no data", without(usage(), "data"), 400, "/data", "bad_envelope"),
    ("wrong specversion", {**usage(), "specversion": "0.3"}, 400, "/specversion", "bad_envelope"),
    ("an attribute only we set", {**usage(), "principal": "operator"}, 400, "/principal", "bad_envelope"),
    ("an attribute badly named", {**usage(), "Bad-Name": "x"}, 400, "/Bad-Name", "bad_envelope"),
    ("no subject", without(usage(), "subject"), 422, "/subject", "subject_missing"),
    ("another's tenant", usage(subject=OTHER, service_id=FOREIGN), 403, "/subject", "wrong_tenant"),
    ("nobody's tenant", usage(subject=FOREIGN), 403, "/subject", "wrong_tenant"),
    ("another's service", usage(service_id=FOREIGN), 422, "/data/service_id", "unknown_service"),
    ("unknown meter", usage(meter="sunshine"), 422, "/data/meter", "unknown_meter"),
    ("an extra field", usage(discount="9"), 422, "/data/discount", "bad_data"),
    ("negative", usage(value=None, quantity="-1"), 422, "/data/quantity", "bad_data"),
    ("NaN as text", usage(value=None, quantity="NaN"), 422, "/data/quantity", "bad_data"),
    ("Infinity as text", usage(value=None, quantity="Infinity"), 422, "/data/quantity", "bad_data"),
    ("an exponent", usage(value=None, quantity="1e400"), 422, "/data/quantity", "bad_data"),
    ("too precise", usage(value=None, quantity="0.1234567890123"), 422, "/data/quantity", "bad_data"),
    ("a number, not text", usage(value=None, quantity=1.5), 422, "/data/quantity", "bad_data"),
    ("a boolean", usage(value=None, quantity=True), 422, "/data/quantity", "bad_data"),
    ("Arabic digits", usage(value=None, quantity="\u0661\u0662"), 422, "/data/quantity", "bad_data"),
    ("underscores", usage(value=None, quantity="1_000"), 422, "/data/quantity", "bad_data"),
    ("blanks", usage(value=None, quantity=" 1 "), 422, "/data/quantity", "bad_data"),
    ("quantity and value", usage(quantity="1"), 422, "/data", "bad_data"),
    ("naive time", usage(time="2026-11-20T10:00:00"), 422, "/time", "bad_time"),
    ("epoch time", {**usage(), "time": 1795000000}, 400, "/time", "bad_envelope"),
    ("far future", usage(time="9999-01-01T00:00:00Z"), 422, "/time", "time_in_future"),
    ("six minutes ahead", usage(time="2026-11-20T10:06:00Z"), 422, "/time", "time_in_future"),
    ("36 days old", usage(time="2026-10-15T09:00:00Z"), 422, "/time", "time_too_old"),
    ("29 February 2026", usage(time="2026-02-29T00:00:00Z"), 422, "/time", "bad_time"),
    ("NUL", usage(value="a\x00b"), 422, "", "bad_text"),
    ("a non-character", usage(value="a\ufffeb"), 422, "", "bad_text"),
    ("NUL in the id", usage("a\x00b"), 422, "", "bad_text"),
    ("bad VAT number", order(partita_iva="00743110158"), 422, "/data/tenant/partita_iva", "bad_partita_iva"),
    ("zero VAT number", order(partita_iva="00000000000"), 422, "/data/tenant/partita_iva", "bad_partita_iva"),
    ("another firm's subject", {**order(), "subject": TENANT}, 422, "/subject", "subject_mismatch"),
]


@pytest.mark.parametrize(
    ("event", "status", "pointer", "reason"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
async def test_a_bad_event_is_refused_with_place_and_reason(
    door: Door, event: dict[str, Any], status: int, pointer: str, reason: str
) -> None:
    answer = await door.client("VAR-TO-01").send(event)
    assert (answer.status, reasons(answer)) == (status, [(0, pointer, reason)])
    assert await door.arrived(USAGE.name) == []
    assert await door.arrived(ORDERS.name) == []
    listed = await door.operator.call("GET", f"/operator/v1/refusals?reason={reason}")
    assert listed.body["refusals"][0]["pointer"] == pointer


RAW: list[tuple[str, bytes, str, int, str]] = [
    ("malformed JSON", b'{"specversion":', "application/cloudevents+json", 400, "not_json"),
    ("NaN literal", b'{"a": NaN}', "application/cloudevents+json", 400, "not_json"),
    ("lone surrogate", b'{"a": "\\ud800"}', "application/cloudevents+json", 400, "not_json"),
    ("not UTF-8", b"\xff\xfe", "application/cloudevents+json", 400, "not_json"),
    ("two documents", b"{}{}", "application/cloudevents+json", 400, "not_json"),
    ("empty", b"", "application/cloudevents+json", 400, "not_json"),
    ("a list as an event", b"[]", "application/cloudevents+json", 400, "bad_envelope"),
    ("an empty batch", b"[]", "application/cloudevents-batch+json", 400, "bad_envelope"),
    ("wrong content type", b"a=1", "application/x-www-form-urlencoded", 415, "bad_content_type"),
    ("plain JSON without ce- headers", b"{}", "application/json", 415, "bad_content_type"),
    ("too large", b" " * (1024 * 1024 + 1), "application/cloudevents+json", 413, "too_large"),
    ("too many", b"[" + b"1," * 1000 + b"1]", "application/cloudevents-batch+json", 413, "too_many"),
    ("too deep", b'{"a":' * 40 + b"1" + b"}" * 40, "application/cloudevents+json", 400, "too_deep"),
    ("far too deep", b"[" * 200_000 + b"]" * 200_000, "application/cloudevents+json", 400, "too_deep"),
]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"), [row[1:] for row in RAW], ids=[row[0] for row in RAW]
)
async def test_a_bad_request_is_refused(door: Door, body: bytes, content_type: str, status: int, reason: str) -> None:
    answer = await door.client("VAR-TO-01").raw(body, content_type)
    assert (answer.status, [item[2] for item in reasons(answer)]) == (status, [reason])


async def test_one_bad_event_refuses_its_whole_batch_with_every_fault_listed(door: Door) -> None:
    batch = [usage("u-1"), usage("u-2", meter="sunshine"), usage("u-3"), usage("u-4", service_id=FOREIGN)]
    answer = await door.client("VAR-TO-01").send_batch(batch)
    assert answer.status == 422
    assert reasons(answer) == [(1, "/data/meter", "unknown_meter"), (3, "/data/service_id", "unknown_service")]
    assert await door.arrived(USAGE.name) == []


async def test_the_same_order_twenty_times_at_once_is_one_order_with_one_answer(door: Door) -> None:
    client = door.client("VAR-TO-01")
    answers = await asyncio.gather(*(client.send(order()) for _ in range(20)))
    assert {answer.status for answer in answers} == {202}
    assert len({json.dumps(answer.body) for answer in answers}) == 1
    assert len(await door.arrived(ORDERS.name)) == 1


async def test_an_order_id_used_for_another_order_is_a_conflict(door: Door) -> None:
    client = door.client("VAR-TO-01")
    assert (await client.send(order())).status == 202
    changed = order()
    changed["data"]["reference"] = "another"
    answer = await client.send(changed)
    assert (answer.status, reasons(answer)) == (409, [(0, "/id", "id_reuse")])


async def test_nobody_comes_in_without_a_key_and_a_revoked_key_is_none(door: Door) -> None:
    async with door.session.post(f"{door.gateway.url}/v1/events", data=b"{}") as answer:
        assert answer.status == 401
    assert (await Client(door.session, door.gateway.url, "nobody.knows").send(usage())).status == 401
    key = door.keys["VAR-TO-01"]
    assert (await door.operator.call("DELETE", f"/operator/v1/keys/{key.split('.')[0]}")).status == 204
    assert (await door.client("VAR-TO-01").send(usage())).status == 401


async def test_resellers_see_only_their_own_and_none_of_the_operators_doors(door: Door) -> None:
    milan = door.client("VAR-MI-01")
    assert (await milan.send(usage())).status == 403
    own = await milan.call("GET", "/v1/deliveries")
    assert {row["recipient"] for row in own.body} <= {"VAR-MI-01"}
    for method, path in (
        ("GET", "refusals"),
        ("GET", "deliveries"),
        ("PUT", "catalogue"),
        ("PUT", "resellers/x"),
        ("DELETE", "keys/x"),
    ):
        assert (await milan.call(method, f"/operator/v1/{path}", {})).status == 403


async def test_binary_mode_is_understood(door: Door) -> None:
    event = usage("binary-1")
    headers = {f"ce-{name}": value for name, value in event.items() if name != "data"}
    headers |= {"Authorization": f"Bearer {door.keys['VAR-TO-01']}", "Content-Type": "application/json"}
    async with door.session.post(
        f"{door.gateway.url}/v1/events", data=json.dumps(event["data"]), headers=headers
    ) as answer:
        assert answer.status == 202
    assert [item["id"] for item in await door.arrived(USAGE.name)] == ["binary-1"]


async def test_what_came_in_is_what_the_inner_topic_carries(door: Door) -> None:
    await door.client("VAR-TO-01").send(order())
    (raw,) = await door.arrived(ORDERS.name)
    assert OrderPlaced.model_validate(raw["data"]).items[0].sku == PARTIES["tenants"][2]["items"][0]["sku"]
    await door.client("VAR-TO-01").send(usage())
    (raw,) = await door.arrived(USAGE.name)
    assert UsageRecorded.model_validate(raw["data"]).value == "2026/1"
