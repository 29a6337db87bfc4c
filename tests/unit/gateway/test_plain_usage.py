"""Usage that is read plainly is what the careful reader makes of it, to the byte; and the few that are judged decide for all."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from schemas.catalogue import Plan
from services.gateway.domain.admission import (
    Known,
    KnownService,
    KnownTenant,
    Principal,
    PrincipalKind,
    admit,
    claims,
)
from services.gateway.domain.cloudevents import BATCHED, STRUCTURED, parse
from services.gateway.domain.faults import Refused
from services.gateway.domain.plain_usage import decisive, read_plain
from services.gateway.domain.reading import Typed, read, too_far

SERVICE = "0b2d8a54-58c4-4c4b-9c1b-6d1f0d1a2b3c"
TENANT = "9b2d8a54-58c4-4c4b-9c1b-6d1f0d1a2b3c"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RESELLER = Principal(PrincipalKind.RESELLER, "VAR-A")
DATA = {"service_id": SERVICE, "meter": "e_invoices", "value": "FT-1"}
SOUND: dict[str, Any] = {
    "specversion": "1.0", "id": "1", "source": "/erp", "type": "vicino.usage.recorded.v1", "time": "2026-11-01T10:00:00Z",
    "subject": TENANT, "data": DATA,
}  # fmt: skip

NUMBERS = [
    "0",
    "1",
    "1.50",
    "007",
    "0.000000000001",
    "1e3",
    "-1",
    "+1",
    "",
    "1" * 26,
    "1" * 27,
    "1.",
    ".5",
    "NaN",
    "1_0",
    1,
    None,
]
TIMES = [
    "2026-11-01T10:00:00Z", "2026-11-01T10:00:00.5Z", "2026-11-01T10:00:00.500000Z", "2026-11-01T10:00:00.000000Z",
    "2026-11-01T10:00:00.1234567Z", "2026-11-01T11:00:00+01:00", "2026-11-01t10:00:00z", "2026-12-31T23:59:60Z",
    "2026-02-30T10:00:00Z", "2026-11-01 10:00:00Z", "2026-11-01T10:00:00", "2026-11-01T24:00:00Z", "0000-01-01T00:00:00Z", "", 5,
]  # fmt: skip
TEXTS: list[Any] = [
    "",
    "a",
    "\x7f",
    "\x00",
    "\n",
    "é",
    "\ufffe",
    '"',
    "\\",
    "{[,]}",
    "x" * 200,
    "x" * 201,
    "x" * 256,
    None,
    7,
    [],
    {},
]
ANY = st.sampled_from([*TEXTS, *NUMBERS, *TIMES, SERVICE, SERVICE.upper(), f"{SERVICE}\n", True])
DATA_NAMES = ["service_id", "meter", "quantity", "value", "dimensions", "unit"]
NAMES = [
    *SOUND,
    "datacontenttype",
    "dataschema",
    "correlationid",
    "traceparent",
    "principal",
    "comexample",
    "data_base64",
]
DIMENSIONS = st.dictionaries(st.sampled_from(["a", "b.c", "-", "", "é"]), ANY, max_size=3) | st.just(
    {f"d{n}": "x" for n in range(9)}
)  # fmt: skip
CHANGES = st.dictionaries(st.sampled_from(DATA_NAMES), ANY | DIMENSIONS, max_size=2)


@st.composite
def events(draw: st.DrawFn) -> Any:
    """Usage events with at most a few things changed or missing."""
    data: Any = {**DATA, **draw(CHANGES)}
    if draw(st.booleans()):
        data.pop("value", None)
        data.setdefault("quantity", draw(st.sampled_from(NUMBERS)))
    event = {**SOUND, "time": draw(st.sampled_from(TIMES)), "data": data}
    event |= (
        draw(st.dictionaries(st.sampled_from(NAMES), ANY, max_size=2))
        if draw(st.booleans())
        else {}
    )
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=1)):
        event.pop(name, None)
    return event


def carefully(headers: list[tuple[str, str]], body: bytes) -> list[Typed] | None:
    """What the careful reader makes of a request; None when it refuses anything of it."""
    try:
        found = [read(incoming) for incoming in parse(headers, body)]
    except Refused:
        return None
    typed = [one for one in found if isinstance(one, Typed)]
    return typed if len(typed) == len(found) else None


def compare(kind: str, body: bytes) -> bool:
    """Whether a request is plain; if it is, the careful reader must read the same."""
    headers = [("content-type", kind)]
    plain = read_plain(headers, body)
    if plain is None:
        return False
    careful = carefully(headers, body)
    assert careful is not None, "the careful reader refuses it"
    assert [item.encode("VAR-A", 3) for item in plain] == [
        admit(item, RESELLER, 3).event.encode() for item in careful
    ]
    assert [(item.typed().data, item.time, item.typed().subject) for item in plain] == [
        (item.data, item.time, item.subject) for item in careful
    ]
    return True


@given(st.lists(events(), max_size=3), st.booleans(), st.sampled_from([None, 1]))
@example([SOUND], True, None)
@example([{**SOUND, "data": {**DATA, "value": "a\x7fb"}}], False, None)
@example(
    [
        {
            **SOUND,
            "traceparent": "00-a-b-01",
            "correlationid": "c",
            "datacontenttype": "application/json",
        }
    ],
    True,
    1,
)
def test_what_is_read_plainly_is_what_the_careful_reader_makes_of_it(
    some: list[Any], is_ascii: bool, indent: int | None
) -> None:
    compare(
        BATCHED, json.dumps(some, ensure_ascii=is_ascii, indent=indent).encode(errors="replace")
    )
    for one in some:
        compare(
            STRUCTURED,
            json.dumps(one, ensure_ascii=is_ascii, indent=indent).encode(errors="replace"),
        )


@given(st.binary(max_size=40), st.integers(0, 400))
def test_what_is_cut_or_broken_is_not_plain_unless_the_careful_reader_takes_it(
    junk: bytes, at: int
) -> None:
    whole = json.dumps([SOUND]).encode()
    compare(BATCHED, whole[:at] + junk + whole[at:])
    compare(STRUCTURED, whole[1:-1][:at] + junk)


@pytest.mark.parametrize(
    "more", [{}, {"quantity": "1.5", "value": None}, {"dimensions": {"region": "IT"}}], ids=["value", "quantity", "dimensions"]
)  # fmt: skip
@pytest.mark.parametrize("time", ["2026-11-01T10:00:00Z", "2026-11-01T10:00:00.25Z"])
def test_usage_as_senders_write_it_is_plain(more: dict[str, Any], time: str) -> None:
    event = {**SOUND, "time": time, "data": {**DATA, **more}}
    assert compare(STRUCTURED, json.dumps(event).encode())
    assert compare(f"{BATCHED}; charset=utf-8", json.dumps([event] * 1000).encode())


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (BATCHED, b"[]"),
        (BATCHED, json.dumps([SOUND] * 1001).encode()),
        (STRUCTURED, json.dumps({**SOUND, "data": {**DATA, "value": "x" * 9_900}}).encode()),
        (STRUCTURED, json.dumps(SOUND, indent=2_000).encode()),
        (BATCHED, json.dumps([{**SOUND, "id": "," * 255, "source": "," * 255}] * 700).encode()),
        ("application/json", json.dumps(SOUND).encode()),
        (f"{STRUCTURED}; charset=latin-1", json.dumps(SOUND).encode()),
    ],
    ids=["none", "too many", "long text", "blanks", "commas", "another type", "another charset"],
)
def test_what_is_beyond_a_bound_goes_to_the_careful_reader(kind: str, body: bytes) -> None:
    assert read_plain([("content-type", kind)], body) is None


def test_a_request_that_says_more_of_its_body_goes_to_the_careful_reader() -> None:
    body, kind = json.dumps(SOUND).encode(), ("content-type", STRUCTURED)
    assert read_plain([kind, ("content-encoding", "gzip")], body) is None
    assert read_plain([kind, kind], body) is None


PLAN = Plan.model_validate(
    {"sku": "ERP-CLOUD", "name": "ERP", "setup": "0", "recurring": [], "usage": [], "provisioning": [{"driver": "postgres"}]}
)  # fmt: skip
HOURS = st.integers(-24 * 40, 2).map(lambda hours: NOW + timedelta(hours=hours))


@given(
    st.lists(
        st.tuples(HOURS, st.sampled_from([SERVICE, TENANT]), st.sampled_from(["e_invoices", "seats"])), min_size=1, max_size=6,
    ),
    HOURS | st.none(),
    st.sampled_from(["VAR-A", "VAR-B"]),
)  # fmt: skip
def test_the_few_that_are_judged_decide_for_all(
    said: list[tuple[datetime, str, str]], ended_at: datetime | None, reseller: str
) -> None:
    some = [
        {**SOUND, "time": at.isoformat().replace("+00:00", "Z"), "data": {**DATA, "service_id": service, "meter": meter}}
        for at, service, meter in said
    ]  # fmt: skip
    usage = read_plain([("content-type", BATCHED)], json.dumps(some).encode())
    assume(usage is not None)
    assert usage is not None
    known = Known(
        {"ERP-CLOUD": PLAN}, frozenset(), 1, measured={"ERP-CLOUD": frozenset({"e_invoices"})}
    )
    known.tenants = {TENANT: KnownTenant(reseller)}
    known.services = {SERVICE: KnownService(TENANT, "ERP-CLOUD", ended_at)}

    def is_refused(typed: Typed) -> bool:
        return bool(claims(typed, RESELLER, known) or too_far(typed, NOW))

    assert any(map(is_refused, decisive(usage))) == any(is_refused(item.typed()) for item in usage)
