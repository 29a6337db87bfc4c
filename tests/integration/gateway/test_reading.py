"""A reseller sees its own, all of it and nothing else, through the gateway, the console and billing as they run."""

from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from schemas.scalars import Value, read_instant, rfc3339
from schemas.tenants import OrderHeld
from schemas.views import (
    AlertView,
    InvoiceView,
    OrderView,
    StatementView,
    TenantView,
    UsageView,
    WholeInvoiceView,
)
from tests.integration.gateway.receivers import (
    Behaviour,
    answering,
    babble,
    close_early,
    flood,
    receiving,
    slow_loris,
)
from tests.integration.gateway.street import LISTS, Street, acknowledged, issued
from tests.integration.gateway.world import (
    NOW,
    TOKEN,
    assigned,
    open_world,
    order,
    tenant_of,
    usage,
)


@pytest.mark.parametrize("path", LISTS)
async def test_each_list_has_ones_own_alone_and_a_cursor_leads_to_its_end(
    street: Street, path: str
) -> None:
    whole = await street.listed(path, TOKEN)
    own = {key: await street.listed(path, key) for key in ("VAR-A", "VAR-B")}
    for key, mine in own.items():
        assert mine, path
        for page in ("limit=1", "limit=2", "limit=200"):
            assert await street.listed(path, key, page) == mine, page
    assert not [row for row in own["VAR-A"] if row in own["VAR-B"]]
    assert sorted(map(str, whole)) == sorted(map(str, own["VAR-A"] + own["VAR-B"]))


VIEWS: list[tuple[str, type[Value]]] = [
    ("/v1/tenants", TenantView), ("/v1/orders", OrderView), ("/v1/alerts", AlertView),
    ("/v1/invoices", InvoiceView), ("/v1/statements", StatementView),
]  # fmt: skip


@pytest.mark.parametrize(("path", "view"), VIEWS)
async def test_what_is_shown_is_what_is_documented(
    street: Street, path: str, view: type[Value]
) -> None:
    for row in await street.listed(path, "VAR-A"):
        view.model_validate(row, extra="forbid")
        missing = {name for name, field in view.model_fields.items() if field.is_required()} - row.keys()  # fmt: skip
        assert not missing


@pytest.mark.parametrize("path", ["/v1/tenants", "/v1/orders", "/v1/alerts", "/v1/invoices"])
async def test_one_object_is_shown_to_its_reseller_and_unknown_to_others(
    street: Street, path: str
) -> None:
    for firm, key, other in (("A", "VAR-A", "VAR-B"), ("B", "VAR-B", "VAR-A")):
        address = f"{path}/{street.ids[firm][path]}"
        assert (await street.get(address, key)).status == 200
        assert (await street.get(address, TOKEN)).status == 200
        refused, unknown = await street.get(address, other), await street.get(f"{path}/{uuid4()}", other)  # fmt: skip
        assert (refused.status, refused.text) == (404, unknown.text), address
        assert (await street.get(address, "erp")).status == 403
    assert (await street.get(f"{path}/not-an-id", "VAR-A")).status == 422


async def test_a_document_shows_its_lines(street: Street) -> None:
    answer = await street.get(f"/v1/invoices/{street.ids['A']['/v1/invoices']}")
    view = WholeInvoiceView.model_validate(answer.body, extra="forbid")
    assert [line.sku for line in view.lines] == ["ERP-CLOUD/base"]
    assert (view.state, str(view.open)) == ("open", "12.20")


@pytest.mark.parametrize(
    ("query", "count"),
    [("state=acknowledged", 1), ("state=open", 2), ("state=resolved", 0)],
)
async def test_alerts_are_asked_for_by_their_state(street: Street, query: str, count: int) -> None:
    found = await street.listed("/v1/alerts", "VAR-A", query)
    assert len(found) == count
    assert {row["state"] for row in found} <= {query.removeprefix("state=")}
    of_others = f"tenant_id={tenant_of('B')}"
    for path in ("/v1/alerts", "/v1/orders", "/v1/invoices"):
        assert await street.listed(path, "VAR-A", of_others) == []
    assert (await street.get("/v1/alerts?state=nonsense")).status == 422


async def test_a_tenant_says_what_usage_each_service_may_send_and_how_its_order_goes(
    street: Street,
) -> None:
    [tenant] = await street.listed("/v1/tenants", "VAR-A")
    [service] = tenant["services"]
    assert (service["sku"], service["state"]) == ("ERP-CLOUD", "active")
    assert "e_invoices" in service["meters"]
    for meter in service["meters"]:
        unlike = usage(street.world, "A", data={"meter": meter})
        assert "unknown_meter" not in (await street.world.post(unlike)).reasons
    assert tenant["newest_order"]["state"] == "acknowledged"
    assert tenant["newest_order"]["external_id"] == "SME-A"


async def test_an_order_is_shown_to_its_sender_from_its_202_on(street: Street) -> None:
    world = street.world
    answer = await world.post(order("C", id=f"order-{uuid4()}"), "VAR-B")
    assert answer.status == 202, answer.body
    [accepted] = answer.body["accepted"]
    address = f"/v1/orders/{accepted['order_id']}"
    seen = await street.get(address, "VAR-B")
    assert (seen.status, seen.body["state"], seen.body["tenant_id"]) == (200, "accepted", tenant_of("C"))  # fmt: skip
    assert (await street.get(address, "VAR-A")).status == 404
    held = OrderHeld(
        order_id=accepted["order_id"], reference="ORD-1", reason="assignment.manual_required",
        explanation="choose one",
    )  # fmt: skip
    await world.tell(tenant_of("C"), held)
    await street.settled()
    seen = await street.get(address, "VAR-B")
    assert (seen.body["state"], seen.body["reason"]) == ("held", "assignment.manual_required")
    assert (await street.get(address, "VAR-A")).status == 404
    assert accepted["order_id"] not in {row["order_id"] for row in await street.listed("/v1/orders", "VAR-A")}  # fmt: skip


async def test_usage_and_cost_are_read_of_ones_own_tenants(street: Street) -> None:
    world = street.world
    events = [usage(world, "A", n) | {"id": f"reading-{n}", "time": rfc3339(NOW)} for n in range(3)]
    assert (await world.post(events)).status == 202
    await street.settled()
    answer = await street.get(f"/v1/usage?tenant_id={tenant_of('A')}&meter=e_invoices")
    assert answer.status == 200, answer.body
    for row in answer.body:
        UsageView.model_validate(row, extra="forbid")
    by_meter = {row["meter"]: row["quantity"] for row in answer.body}
    assert int(by_meter["e_invoices"]) >= 3
    cost = await street.get(f"/v1/tenants/{tenant_of('A')}/cost")
    assert (cost.status, cost.body["currencies"][0]["currency"]) == (200, "EUR")
    for address in (f"/v1/usage?tenant_id={tenant_of('A')}", f"/v1/tenants/{tenant_of('A')}/cost"):
        assert (await street.get(address, "VAR-B")).status == 404
        assert (await street.get(address, "erp")).status == 403
    unknown = await street.get(f"/v1/usage?tenant_id={uuid4()}")
    assert unknown.status == 404
    backwards = f"/v1/usage?tenant_id={tenant_of('A')}&from=2026-11-05&to=2026-11-01"
    assert (await street.get(backwards)).status == 422
    nonsense = await street.get(f"/v1/usage?tenant_id={tenant_of('A')}&meter=nonsense")
    assert nonsense.status == 404


async def test_what_the_answer_says_it_knows_is_in_it(street: Street) -> None:
    """Facts are published while somebody reads: by the instant in the header each is there."""
    world, said = street.world, dict[str, datetime]()

    async def knows(wanted: str) -> bool:
        """Whether the answer has it, and says so; whatever it says is checked."""
        answer = await street.get("/v1/orders?limit=200")
        if "Vicino-As-Of" not in answer.headers:
            return False
        as_of = read_instant(answer.headers["Vicino-As-Of"])
        known = {row["order_id"] for row in answer.body}
        assert {one for one, at in said.items() if at < as_of} <= known
        return wanted in known and as_of > said[wanted]

    for n in range(8):
        fact = acknowledged(f"AS-OF-{n}")
        await world.tell(tenant_of("A"), fact)
        said[fact.order_id] = world.clock.now()
        for clock in (world.clock, street.console.runtime.clock):
            clock.advance(timedelta(seconds=1))
        await world.gateway.eventually(partial(knows, fact.order_id))


async def test_a_tenant_that_moves_is_its_new_resellers_with_its_history(street: Street) -> None:
    world = street.world
    await world.serve("C", "VAR-A")
    document = issued("A", 99).model_copy(update={"reseller_id": "VAR-A"})
    await world.tell(tenant_of("C"), document)
    await street.settled()
    address = f"/v1/invoices/{document.invoice_id}"
    assert (await street.get(address, "VAR-A")).status == 200
    await world.tell(tenant_of("C"), assigned("VAR-B"))
    await street.settled()
    assert (await street.get(address, "VAR-A")).status == 404
    assert (await street.get(address, "VAR-B")).status == 200
    assert tenant_of("C") in {row["tenant_id"] for row in await street.listed("/v1/tenants", "VAR-B")}  # fmt: skip


BAD = [
    "cursor=x", "cursor=WyJhIl0", "cursor=%00", "limit=0", "limit=201", "limit=x", "state=a%27b", "state=" + "a" * 99,
]  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("query", BAD)
async def test_a_bad_question_is_refused_with_its_place(
    street: Street, path: str, query: str
) -> None:
    if path == "/v1/statements" and query.startswith("state"):
        return  # it has no state: unknown parameters are tested elsewhere
    answer = await street.get(f"{path}?{query}")
    assert answer.status in (400, 422), answer.body
    if answer.status == 422:
        assert answer.body["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


async def test_events_are_accepted_while_nobody_can_answer(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    nowhere = {"console_api": "http://127.0.0.1:9", "billing_api": None}
    async with open_world(database, bootstrap, topic_prefix, **nowhere) as world:
        await world.serve("A", "VAR-A")
        for path in (*LISTS, f"/v1/usage?tenant_id={tenant_of('A')}", f"/v1/orders/{uuid4()}"):
            answer = await world.call("GET", path, key="VAR-A")
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2"), path
        assert (await world.post(usage(world, "A"))).status == 202
        assert (await world.call("GET", "/v1/rejects", key="VAR-A")).status == 200


HTML = b"<html>It works!</html>"
NO_ANSWERS: dict[str, Behaviour] = {
    "a page": answering("200 OK", HTML, content_type="text/html"),
    "a page that is missing": answering("404 Not Found", HTML, content_type="text/html"),
    "JSON of somebody else's": answering("404 Not Found", b'{"error": "no route"}'),
    "half a document": answering("200 OK", b'[{"tenant_id": '),
    "nothing": answering("200 OK"),
    "another address": answering("302 Found", location="http://127.0.0.1:9/"),
    "another token": answering("401 Unauthorized", b'{"title": "Unauthorized", "detail": "no such key"}'),
    "its own failure": answering("500 Internal Server Error", b"{}"),
    "no HTTP": babble,
    "a closed connection": close_early,
    "no end": flood,
    "one byte at a time": slow_loris,
}  # fmt: skip


async def test_whatever_stands_where_the_read_model_should_be_readers_get_503(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with receiving(answering("204 No Content")) as other:
        address = other.url.rpartition("/")[0]
        nowhere = {"console_api": address, "billing_api": address}
        async with open_world(database, bootstrap, topic_prefix, **nowhere) as world:
            await world.serve("A", "VAR-A")
            for what, behaviour in NO_ANSWERS.items():
                other.behaviour = behaviour
                for path in ("/v1/tenants", f"/v1/usage?tenant_id={tenant_of('A')}"):
                    answer = await world.call("GET", path, key="VAR-A")
                    assert (answer.status, answer.headers.get("Retry-After")) == (503, "2"), what
            assert (await world.post(usage(world, "A"))).status == 202
