"""Events come in whole or not at all, and what came in is in Kafka."""

import asyncio

import pytest

from schemas import identity
from schemas.orders import OrderPlaced
from schemas.topics import USAGE
from schemas.usage import UsageRecorded
from services.gateway.domain.cloudevents import BINARY
from tests.integration.gateway.world import (
    NOW,
    World,
    open_world,
    order,
    order_data,
    tenant_of,
    usage,
)
from tests.integration.gateway.world import cloud_event as event
from tests.support.catalogue import CATALOGUE


async def orders_with(world: World, id_: str) -> int:
    return len([found for found in await world.gateway.published(OrderPlaced) if found.id == id_])


async def test_an_order_is_in_kafka_when_it_is_answered(world: World) -> None:
    sent = order("A", id="o-1")
    answer = await world.post(sent)
    tenant = tenant_of("A")
    expected = identity.order_id(tenant, "/portal", "o-1", "VAR-A")
    assert answer.status == 202
    assert answer.body == {
        "accepted": [
            {
                "source": "/portal",
                "id": "o-1",
                "type": sent["type"],
                "tenant_id": tenant,
                "order_id": expected,
            }
        ]
    }
    found = [inner for inner in await world.gateway.published(OrderPlaced) if inner.id == "o-1"]
    assert [(inner.subject, inner.principal, inner.correlation_id) for inner in found] == [
        (tenant, "VAR-A", "o-1")
    ]
    assert found[0].time == NOW
    assert found[0].revision is not None


async def test_the_vat_number_is_carried_bare_whatever_prefix_it_came_with(world: World) -> None:
    sent = order("A", id="o-prefix")
    sent["data"]["tenant"]["partita_iva"] = "IT " + sent["data"]["tenant"]["partita_iva"]
    assert (await world.post(sent)).body["accepted"][0]["tenant_id"] == tenant_of("A")
    found = [
        inner.data.tenant
        for inner in await world.gateway.published(OrderPlaced)
        if inner.id == "o-prefix"
    ]
    assert [details.partita_iva for details in found if details] == ["99001019993"]


async def test_the_same_order_again_gets_the_same_answer_and_is_sent_once(world: World) -> None:
    sent = order("A", id="o-again")
    first, second = await world.post(sent), await world.post(sent)
    assert (first.status, first.text) == (second.status, second.text)
    assert await orders_with(world, "o-again") == 1


async def test_one_order_sent_twenty_times_at_once_is_one_order(world: World) -> None:
    sent = order("A", id="o-crowd")
    answers = await asyncio.gather(*(world.post(sent) for _ in range(20)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert await orders_with(world, "o-crowd") == 1


async def test_one_order_twice_in_a_batch_is_one_order(world: World) -> None:
    sent = order("A", id="o-batch")
    answer = await world.post([sent, sent])
    assert answer.status == 202
    assert answer.body["accepted"][0] == answer.body["accepted"][1]
    assert await orders_with(world, "o-batch") == 1


async def test_two_batches_with_the_same_orders_in_another_order_both_get_in(world: World) -> None:
    batch = [order("A", id=f"o-cross-{n}") for n in range(10)]
    answers = await asyncio.gather(world.post(batch), world.post(batch[::-1]))
    assert [answer.status for answer in answers] == [202, 202]
    assert [await orders_with(world, sent["id"]) for sent in batch] == [1] * 10


async def test_the_same_id_with_other_content_or_for_another_tenant_is_refused(
    world: World,
) -> None:
    await world.post(order("A", id="o-reuse"))
    for other in (
        order("C", id="o-reuse"),
        event("vicino.order.placed.v1", order_data("A", reference="X"), id="o-reuse"),
    ):
        answer = await world.post(other)
        assert (answer.status, answer.reasons) == (409, ["id_reuse"])
    assert await orders_with(world, "o-reuse") == 1


async def test_an_order_sent_again_gets_its_answer_even_when_another_reseller_serves_the_firm_by_now(
    served: World,
) -> None:
    sent = order("B", id="o-portal")
    assert (await served.post(sent)).status == 403
    await served.gateway.sql("update tenant set reseller_id = null where id = $1", tenant_of("B"))
    first = await served.post(sent)
    await served.give_back("B", "VAR-B")
    assert (first.status, (await served.post(sent)).body) == (202, first.body)


async def test_a_batch_with_one_bad_event_lists_every_fault_and_lets_nothing_in(
    served: World,
) -> None:
    good = [usage(served, n=n, id=f"atomic-{n}") for n in range(5)]
    bad = usage(served, n=9, data={"meter": "nonsense"})
    answer = await served.post([*good, bad, {"id": "x"}, {**good[0], "time": "yesterday"}])
    assert answer.status == 400
    assert {fault["index"] for fault in answer.body["errors"]} == {6}
    answer = await served.post([*good, bad, {**good[0], "time": "yesterday"}])
    assert (answer.status, [(e["index"], e["pointer"], e["reason"]) for e in answer.body["errors"]]) == (
        422, [(5, "/data/meter", "unknown_meter"), (6, "/time", "bad_time")],
    )  # fmt: skip
    assert not [
        found
        for found in await served.gateway.published(UsageRecorded)
        if found.id.startswith("atomic")
    ]
    assert (await served.post(good)).status == 202
    assert (
        len([f for f in await served.gateway.published(UsageRecorded) if f.id.startswith("atomic")])
        == 5
    )


async def test_a_batch_holds_one_event_to_a_thousand(served: World) -> None:
    for size in (1, 1000):
        batch = [usage(served, n=n) for n in range(size)]
        answer = await served.post(batch)
        assert (answer.status, [let_in["id"] for let_in in answer.body["accepted"]]) == (
            202,
            [sent["id"] for sent in batch],
        )


async def test_what_is_refused_for_its_size_is_refused_to_who_sends_it_whole_and_hangs_up(
    served: World,
) -> None:
    for headers in ({}, {"connection": "close"}):
        known = {"content-type": "application/cloudevents+json", **headers}
        answer = await served.raw("POST", "/v1/events", bytes(6_000_000), known, "VAR-A")
        assert (answer.status, answer.reasons) == (413, ["too_large"])
    assert (await served.post(usage(served, n=5))).status == 202


async def test_binary_mode_carries_attributes_in_headers(served: World) -> None:
    headers = {
        "content-type": f"{BINARY}; charset=UTF-8", "ce-specversion": "1.0", "ce-id": "bin%C3%A9", "ce-source": '"/p"',
        "ce-type": "vicino.heartbeat.received.v1", "ce-time": "2026-11-10T09:00:00Z", "ce-subject": tenant_of("A"),
    }  # fmt: skip
    body = f'{{"service_id": "{served.services["A"]}"}}'.encode()
    answer = await served.raw("POST", "/v1/events", body, headers, "VAR-A")
    assert answer.status == 202, answer
    assert answer.body["accepted"][0] | {} == {
        "source": "/p", "id": "biné", "type": "vicino.heartbeat.received.v1", "tenant_id": tenant_of("A"),
    }  # fmt: skip


async def test_a_tenant_the_memory_does_not_know_yet_is_looked_up_before_it_is_refused(
    served: World,
) -> None:
    beat = event(
        "vicino.heartbeat.received.v1", {"service_id": served.services["B"]}, tenant_of("B")
    )
    assert (await served.post(beat, "VAR-A")).reasons == ["wrong_tenant"]
    await served.gateway.sql(
        "update tenant set reseller_id = 'VAR-A' where id = $1", tenant_of("B")
    )
    try:
        assert (await served.post(beat, "VAR-A")).status == 202
    finally:
        await served.give_back("B", "VAR-B")


async def test_a_plan_no_longer_sold_still_meters_but_cannot_be_ordered(served: World) -> None:
    without = {
        **CATALOGUE,
        "plans": [plan for plan in CATALOGUE["plans"] if plan["sku"] != "ERP-CLOUD"],
    }
    assert (await served.call("PUT", "/operator/v1/catalogue", without)).status == 200
    try:
        assert (await served.post(usage(served, n=77))).status == 202
        assert (await served.post(order("A"))).reasons == ["unknown_sku"]
    finally:
        await served.call("PUT", "/operator/v1/catalogue", CATALOGUE)


@pytest.mark.parametrize("type_", ["vicino.acknowledgement.given.v1", "vicino.order.placed.v1"])
async def test_a_back_end_speaks_for_its_services_only(served: World, type_: str) -> None:
    assert (await served.post(usage(served, "A", 500), "erp")).status == 202
    assert (await served.post(usage(served, "B", 500), "erp")).status == 202
    data = {"alert_id": served.services["A"], "by": "desk"} if "ack" in type_ else order_data("A")
    answer = await served.post(event(type_, data, tenant_of("A")), "erp")
    assert (answer.status, answer.reasons) == (403, ["not_allowed"])


async def test_refusals_are_kept_and_counted(served: World) -> None:
    before = (
        (await served.call("GET", "/operator/v1/refusals")).body["total"].get("bad_partita_iva", 0)
    )
    sent = order("A", id="refused-1")
    sent["data"]["tenant"]["partita_iva"] = "00000000000"
    assert (await served.post(sent)).status == 422
    found = (await served.call("GET", "/operator/v1/refusals?reason=bad_partita_iva&limit=1")).body
    assert found["total"]["bad_partita_iva"] == before + 1
    newest = found["refusals"][0]
    assert (newest["principal"], newest["source"], newest["id"], newest["index"], newest["pointer"]) == (
        "VAR-A", "/portal", "refused-1", 0, "/data/tenant/partita_iva",
    )  # fmt: skip


async def test_the_usage_of_a_very_large_tenant_stands_in_several_partitions(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_world(
        database, bootstrap, topic_prefix, very_large_tenants=f" {tenant_of('A')}, "
    ) as world:
        await world.serve("A", "VAR-A")
        await world.serve("B", "VAR-B")
        for firm, key in (("A", "VAR-A"), ("B", "VAR-B")):
            batch = [usage(world, firm, n) for n in range(60)]
            assert (await world.post(batch, key)).status == 202
            assert (await world.post(batch[:10], key)).status == 202
        ends = await world.gateway.ends([USAGE])
    assert sum(ends.values()) == 140
    assert len(ends) == USAGE.partitions
    assert max(ends.values()) < 140 - 70 / USAGE.partitions
