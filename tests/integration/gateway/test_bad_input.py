"""Every row of the bad-input matrix: a 4xx with its reason and place, and nothing let in."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from multidict import CIMultiDict

from schemas.scalars import rfc3339
from services.chassis import http_connection
from services.chassis.web import PROBLEM
from services.gateway.api_registry import CATALOGUE_BYTES_MAX
from services.gateway.domain.cloudevents import BATCHED, BINARY, STRUCTURED
from tests.integration.gateway.world import (
    NOW,
    TOKEN,
    World,
    cloud_event,
    order_data,
    tenant_of,
    usage,
)

USAGE_TYPE = "vicino.usage.recorded.v1"


def backup(world: World, quantity: Any) -> dict[str, Any]:
    """Usage with a quantity instead of a value."""
    data = {"service_id": world.services["A"], "meter": "e_invoices", "quantity": quantity}
    return cloud_event(USAGE_TYPE, data, tenant_of("A"))


BAD_QUANTITIES = [
    "NaN", "Infinity", "-1", "1e400", "1e200000", "1" * 5000, "1_000", " 1.5 ", "\u0661", "1.0000000000001", "+1", "",
    1, 1.5, True, None, "1,5", "0x10", "1.", ".5",
]  # fmt: skip


@pytest.mark.parametrize(
    "quantity", BAD_QUANTITIES, ids=[repr(value)[:20] for value in BAD_QUANTITIES]
)
async def test_a_quantity_that_is_no_plain_bounded_decimal_text_is_refused(
    served: World, quantity: Any
) -> None:
    answer = await served.post(backup(served, quantity))
    assert (answer.status, set(answer.reasons)) == (422, {"bad_data"})
    assert all(fault["pointer"].startswith("/data") for fault in answer.body["errors"])


JSON_EVENT = {"content-type": STRUCTURED}
BAD_BODIES: dict[str, tuple[str, bytes, int, str]] = {
    "not json": (STRUCTURED, b"{", 400, "not_json"),
    "empty": (STRUCTURED, b"", 400, "not_json"),
    "not utf-8": (STRUCTURED, b'{"id": "\xff"}', 400, "not_json"),
    "overlong utf-8": (STRUCTURED, b'{"id": "\xc0\x80"}', 400, "not_json"),
    "utf-16": (STRUCTURED, "{}".encode("utf-16"), 400, "not_json"),
    "packed and not saying so": (STRUCTURED, gzip.compress(b"{}"), 400, "not_json"),
    "byte order mark": (STRUCTURED, b"\xef\xbb\xbf{}", 400, "not_json"),
    "trailing bytes": (STRUCTURED, b"{} x", 400, "not_json"),
    "two documents": (STRUCTURED, b"{}{}", 400, "not_json"),
    "NaN literal": (STRUCTURED, b'{"data": NaN}', 400, "not_json"),
    "lone surrogate": (STRUCTURED, b'{"id": "\\ud800"}', 400, "not_json"),
    "hundred thousand brackets": (STRUCTURED, b"[" * 100_000, 400, "too_deep"),
    "hundred thousand objects": (BATCHED, b'{"a":' * 100_000, 400, "too_deep"),
    "not an object": (STRUCTURED, b"[]", 400, "bad_envelope"),
    "not a batch": (BATCHED, b"{}", 400, "bad_envelope"),
    "empty batch": (BATCHED, b"[]", 400, "bad_envelope"),
    "null in a batch": (BATCHED, b"[null]", 400, "bad_envelope"),
    "too many events": (BATCHED, b"[" + b"{}," * 1000 + b"{}]", 413, "too_many"),
    "too large": (STRUCTURED, b" " * (1024 * 1024 + 1), 413, "too_large"),
    "too large a batch": (BATCHED, b" " * (4 * 1024 * 1024 + 1), 413, "too_large"),
    "plain text": ("text/plain", b"hello", 415, "bad_content_type"),
    "no content type": ("", b"{}", 415, "bad_content_type"),
    "JSON without ce- headers": (BINARY, b"{}", 415, "bad_content_type"),
    "another charset": (f"{STRUCTURED}; charset=utf-16", b"{}", 415, "bad_content_type"),
    "another format of CloudEvents": (
        "application/cloudevents+avro",
        b"{}",
        415,
        "bad_content_type",
    ),
}


@pytest.mark.parametrize(("kind", "body", "status", "reason"), BAD_BODIES.values(), ids=BAD_BODIES)
async def test_a_body_that_is_no_cloud_event_is_refused(
    world: World, kind: str, body: bytes, status: int, reason: str
) -> None:
    answer = await world.raw("POST", "/v1/events", body, {"content-type": kind}, "VAR-A")
    assert (answer.status, set(answer.reasons)) == (status, {reason})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["status"] == status


async def test_a_packed_body_is_refused_not_unpacked(world: World) -> None:
    headers = {"content-type": STRUCTURED, "content-encoding": "gzip"}
    assert (await world.raw("POST", "/v1/events", b"\x1f\x8b", headers, "VAR-A")).status == 415


async def test_a_body_of_two_content_types_is_refused(world: World) -> None:
    headers = CIMultiDict(
        {"authorization": f"Bearer {world.keys['VAR-A']}", "content-type": STRUCTURED}
    )
    headers.add("content-type", BATCHED)
    async with world.session.post(
        f"{world.gateway.url}/v1/events", data=b"{}", headers=headers
    ) as answer:
        assert (answer.status, (await answer.json(content_type=PROBLEM))["errors"][0]["reason"]) == (
            415, "bad_content_type",
        )  # fmt: skip


async def in_pieces(*pieces: bytes, seconds: float = 0) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(seconds)


async def test_a_body_without_a_length_is_taken_and_bounded_like_any_other(served: World) -> None:
    whole = msgspec.json.encode(usage(served))
    assert (
        await served.raw(
            "POST", "/v1/events", in_pieces(whole[:50], whole[50:]), JSON_EVENT, "VAR-A"
        )
    ).status == 202
    endless = in_pieces(*[bytes(100_000)] * 20)
    answer = await served.raw("POST", "/v1/events", endless, JSON_EVENT, "VAR-A")
    assert (answer.status, answer.reasons) == (413, ["too_large"])


async def test_a_body_that_does_not_arrive_in_time_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "ARRIVAL_SECONDS", 0.3)
    answer = await world.raw(
        "POST", "/v1/events", in_pieces(b"{", b"}", seconds=1), JSON_EVENT, "VAR-A"
    )
    assert (answer.status, answer.headers["content-type"]) == (408, PROBLEM)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_the_door_for_events_takes_nothing_but_posts(world: World, method: str) -> None:
    answer = await world.raw(method, "/v1/events", b"{}", JSON_EVENT, "VAR-A")
    assert (answer.status, answer.headers["allow"], answer.headers["content-type"]) == (
        405,
        "POST",
        PROBLEM,
    )


@pytest.mark.parametrize(
    "path", ["/v1/events/", "/V1/events", "/v1//events", "/v1/events%00", "/nowhere"]
)
async def test_a_path_that_is_almost_right_is_none_and_leads_nowhere_else(
    world: World, path: str
) -> None:
    answer = await world.raw("POST", path, b"{}", JSON_EVENT, "VAR-A")
    assert (answer.status, answer.headers["content-type"]) == (404, PROBLEM)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b'{"name": 7}', 422),
        (bytes(CATALOGUE_BYTES_MAX + 1), 413),
    ],
    ids=["not JSON", "not UTF-8", "too deep", "of another shape", "too large"],
)
@pytest.mark.parametrize("key", [TOKEN, None], ids=["the operator", "nobody"])
async def test_what_the_operators_door_cannot_read_is_refused_as_problem_json(
    world: World, key: str | None, body: bytes, status: int
) -> None:
    answer = await world.raw("PUT", "/operator/v1/catalogue", body, {"content-type": BINARY}, key)
    assert (answer.status, answer.headers["content-type"]) == (status if key else 401, PROBLEM)


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def changed(**more: Any) -> Any:
    return lambda world: {**usage(world), **more}


def without(name: str) -> Any:
    return lambda world: {key: value for key, value in usage(world).items() if key != name}


def data_with(**more: Any) -> Any:
    return lambda world: usage(world, data=more)


WIDE, CYRILLIC = str.maketrans("0123456789", "０１２３４５６７８９"), str.maketrans("ace", "асе")
LOOK_ALIKES = {
    "in capitals": tenant_of("A").upper(), "with a blank": tenant_of("A") + " ", "as a URN": f"urn:uuid:{tenant_of('A')}",
    "without dashes": tenant_of("A").replace("-", ""), "in wide digits": tenant_of("A").translate(WIDE),
    "in Cyrillic": tenant_of("A").translate(CYRILLIC), "with a joiner": tenant_of("A") + "\u200d",
    "with an accent": tenant_of("A") + "\u0301",
}  # fmt: skip
BAD_EVENTS: dict[str, tuple[Any, int, str, str]] = {
    **{f"without {name}": (without(name), 400, "bad_envelope", f"/{name}")
       for name in ("specversion", "id", "source", "type", "time", "data")},
    "another specversion": (changed(specversion="0.3"), 400, "bad_envelope", "/specversion"),
    "empty id": (changed(id=""), 400, "bad_envelope", "/id"),
    "long id": (changed(id="x" * 256), 400, "bad_envelope", "/id"),
    "a number as id": (changed(id=7), 400, "bad_envelope", "/id"),
    "principal set by the sender": (changed(principal="operator"), 400, "bad_envelope", "/principal"),
    "revision set by the sender": (changed(revision=7), 400, "bad_envelope", "/revision"),
    "a misnamed attribute": (changed(Correlation_Id="x"), 400, "bad_envelope", "/Correlation_Id"),
    "binary data": (changed(data_base64="AA=="), 400, "bad_envelope", "/data"),
    "data of another type": (changed(datacontenttype="text/xml"), 400, "bad_envelope", "/datacontenttype"),
    "NUL in an id": (changed(id="a\x00b"), 422, "bad_text", "/id"),
    "a non-character": (changed(id="a\ufdd0"), 422, "bad_text", "/id"),
    "a line break in an id": (changed(id="a\r\nb"), 422, "bad_text", "/id"),
    "NUL deep in the data": (data_with(dimensions={"site": ["x", "a\x00"]}), 422, "bad_text", "/data/dimensions/site/1"),
    "NUL in a name": (data_with(dimensions={"a\x00": "x"}), 422, "bad_text", "/data/dimensions"),
    "too deep": (changed(data={"x": deep(150)}), 400, "too_deep", ""),
    "data too large": (data_with(value="x" * 300_000), 413, "too_large", "/data"),
    "unknown type": (changed(type="vicino.surprise.v1"), 422, "unknown_type", "/type"),
    "unknown version": (changed(type="vicino.usage.recorded.v2"), 422, "unknown_type", "/type"),
    "an inner type": (changed(type="vicino.tenant.activated.v1"), 422, "unknown_type", "/type"),
    "naive time": (changed(time="2026-11-10T09:00:00"), 422, "bad_time", "/time"),
    "epoch time": (changed(time="1760000000"), 422, "bad_time", "/time"),
    "no such zone": (changed(time="2026-11-10T09:00:00+00:60"), 422, "bad_time", "/time"),
    "leap second": (changed(time="2026-11-10T09:00:60Z"), 422, "bad_time", "/time"),
    "no such day": (changed(time="2026-02-30T09:00:00Z"), 422, "bad_time", "/time"),
    "year 9999": (changed(time="9999-12-31T23:59:59Z"), 422, "time_in_future", "/time"),
    "year 1": (changed(time="0001-01-01T00:00:00+23:59"), 422, "bad_time", "/time"),
    "six minutes ahead": (changed(time=rfc3339(NOW + timedelta(minutes=6))), 422, "time_in_future", "/time"),
    "thirty-six days ago": (changed(time=rfc3339(NOW - timedelta(days=36))), 422, "time_too_old", "/time"),
    "no subject": (without("subject"), 422, "subject_missing", "/subject"),
    "an unknown tenant": (changed(subject=str(uuid4())), 403, "wrong_tenant", "/subject"),
    "another's tenant": (changed(subject=tenant_of("B")), 403, "wrong_tenant", "/subject"),
    **{f"the tenant {how}": (changed(subject=look_alike), 403, "wrong_tenant", "/subject")
       for how, look_alike in LOOK_ALIKES.items()},
    "an unknown service": (data_with(service_id=str(uuid4())), 422, "unknown_service", "/data/service_id"),
    "an unknown meter": (data_with(meter="nonsense"), 422, "unknown_meter", "/data/meter"),
    "another plan's meter": (data_with(meter="minutes_mobile"), 422, "unknown_meter", "/data/meter"),
    "an unknown field": (data_with(price="0"), 422, "bad_data", "/data/price"),
    "a field with a slash": (data_with(**{"a/b~c": 1}), 422, "bad_data", "/data/a~1b~0c"),
    "both quantity and value": (data_with(quantity="1"), 422, "bad_data", "/data"),
    "data that is no object": (changed(data=7), 422, "bad_data", "/data"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "status", "reason", "pointer"), BAD_EVENTS.values(), ids=BAD_EVENTS
)
async def test_an_event_that_is_not_sound_is_refused_with_its_place(
    served: World, make: Any, status: int, reason: str, pointer: str
) -> None:
    before = await served.let_in()
    answer = await served.post([usage(served), make(served)])
    assert (answer.status, answer.body["errors"][0]["reason"]) == (status, reason)
    assert answer.body["errors"][0]["pointer"] == pointer
    assert {fault["index"] for fault in answer.body["errors"]} == {1}
    assert await served.let_in() == before


async def test_an_answer_never_repeats_what_was_sent(served: World) -> None:
    data = order_data("A", surprise="my-own-secret")
    data["tenant"]["contact"]["email"] = "not a mail of ada"
    answer = await served.post(cloud_event("vicino.order.placed.v1", data))
    assert answer.status == 422
    assert b"my-own-secret" not in answer.text
    assert b"of ada" not in answer.text


@pytest.mark.parametrize("key", [None, "", "x", "a.b", "0" * 18 + "." + "A" * 43, "\u00e9.x"])
async def test_a_key_that_nobody_holds_opens_nothing(world: World, key: str | None) -> None:
    for method, path in (("POST", "/v1/events"), ("GET", "/v1/me"), ("GET", "/v1/deliveries")):
        answer = await world.raw(method, path, b"{}", {"content-type": STRUCTURED}, key)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_a_key_with_another_secret_opens_nothing(world: World) -> None:
    key_id = world.keys["VAR-A"].partition(".")[0]
    forged = f"{key_id}.{world.keys['VAR-B'].partition('.')[2]}"
    assert (await world.call("GET", "/v1/me", key=forged)).status == 401


async def test_binary_headers_are_checked_like_everything_else(served: World) -> None:
    good = {
        "content-type": BINARY, "ce-specversion": "1.0", "ce-id": "b", "ce-source": "/p", "ce-time": "2026-11-10T09:00:00Z",
        "ce-type": "vicino.heartbeat.received.v1", "ce-subject": tenant_of("A"),
    }  # fmt: skip
    body = msgspec.json.encode({"service_id": served.services["A"]})
    for more, status in (
        ({"ce-id": "%ff"}, 422), ({"ce-id": "%00"}, 422), ({"ce-id": "é"}, 422), ({"ce-principal": "operator"}, 400),
        ({"ce-datacontenttype": "application/json"}, 400), ({"ce-bad_name": "x"}, 400), ({"ce-data": "{}"}, 400),
        ({"ce-id": "%c0%80"}, 422), ({"ce-id": "%ed%a0%80"}, 422), ({"ce-id": "a%0d%0ab"}, 422), ({"ce-id": ""}, 400),
    ):  # fmt: skip
        assert (
            await served.raw("POST", "/v1/events", body, good | more, "VAR-A")
        ).status == status, more
    assert (await served.raw("POST", "/v1/events", body, good, "VAR-A")).status == 202
