"""Orders that cannot be carried out: a 422 with its reason and place, and nothing let in."""

from typing import Any
from uuid import uuid4

import pytest

from tests.integration.gateway.world import (
    World,
    cloud_event,
    order,
    order_data,
    tenant_of,
)


def item(**more: Any) -> dict[str, Any]:
    return {"action": "add", "sku": "ERP-CLOUD", **more}


def with_vat(number: str) -> dict[str, Any]:
    data = order_data("A")
    return {**data, "tenant": {**data["tenant"], "partita_iva": number}}


BAD_ORDERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "all zeros": (with_vat("00000000000"), "bad_partita_iva", "/data/tenant/partita_iva"),
    "all zeros with a prefix": (with_vat("IT 00000000000"), "bad_partita_iva", "/data/tenant/partita_iva"),
    "wrong check digit": (with_vat("12345670018"), "bad_partita_iva", "/data/tenant/partita_iva"),
    "too short": (with_vat("123"), "bad_partita_iva", "/data/tenant/partita_iva"),
    "another country": (with_vat("DE136695976"), "bad_partita_iva", "/data/tenant/partita_iva"),
    "arabic digits": (with_vat("\u0661" * 11), "bad_partita_iva", "/data/tenant/partita_iva"),
    "unknown sku": (order_data(items=[item(sku="NOPE")]), "unknown_sku", "/data/items/0/sku"),
    "unknown component": (
        order_data(items=[item(quantities={"wings": "2"})]), "unknown_meter", "/data/items/0/quantities/wings",
    ),
    "half a user": (
        order_data(items=[item(quantities={"extra_user": "0.5"})]), "bad_data", "/data/items/0/quantities/extra_user",
    ),
    "two bases": (order_data(items=[item(quantities={"base": "2"})]), "bad_data", "/data/items/0/quantities/base"),
    "no items": (order_data(items=[]), "bad_data", "/data/items"),
    "a change of no service": (order_data(items=[{"action": "change", "sku": "X"}]), "bad_data", "/data/items/0"),
    "a change of an unknown service": (
        order_data(items=[{"action": "change", "service_id": str(uuid4()), "quantities": {"extra_user": "1"}}]),
        "unknown_service", "/data/items/0/service_id",
    ),
    "a price of one's own": (order_data(items=[item(price="0.01")]), "bad_data", "/data/items/0/price"),
    "effective in two years": (order_data(effective_at="2028-11-10T09:00:00Z"), "bad_time", "/data/effective_at"),
    "effective last month": (order_data(effective_at="2026-10-01T00:00:00Z"), "bad_time", "/data/effective_at"),
    "naive effect": (order_data(effective_at="2026-11-10T09:00:00"), "bad_data", "/data/effective_at"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "reason", "pointer"), BAD_ORDERS.values(), ids=BAD_ORDERS)
async def test_an_order_that_cannot_be_carried_out_is_refused(
    served: World, data: dict[str, Any], reason: str, pointer: str
) -> None:
    before = await served.let_in()
    answer = await served.post(cloud_event("vicino.order.placed.v1", data))
    assert answer.status == 422
    assert (reason, pointer) in [
        (fault["reason"], fault["pointer"]) for fault in answer.body["errors"]
    ]
    assert await served.let_in() == before


async def test_the_subject_of_a_first_order_must_be_its_own_tenant(world: World) -> None:
    answer = await world.post(order("A", subject=tenant_of("B")))
    assert (answer.status, answer.reasons) == (422, ["subject_mismatch"])
