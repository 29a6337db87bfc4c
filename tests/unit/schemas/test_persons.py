"""Every text that may come from outside either names nobody, or is marked: then it travels sealed."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import Payload
from schemas.orders import (
    Address,
    AssignmentDecided,
    Contact,
    OrderItem,
    OrderPlaced,
    TenantDetails,
)
from schemas.persons import Personal, apart, marks, may_name_persons, together
from schemas.scalars import Value
from schemas.signals import AcknowledgementGiven, HeartbeatReceived, ResolutionGiven
from services.gateway.domain.keeping import LEFT_OUT, kept_name, kept_pointer
from services.gateway.domain.reading import OUTSIDE

NAMES_NOBODY = {
    "OrderPlaced.reference", "OrderPlaced.preferred_reseller", "OrderItem.sku", "OrderItem.service_id", "OrderItem.quantities",
    # A firm's, as the business register has them.
    "TenantDetails.external_id", "TenantDetails.name", "TenantDetails.partita_iva", "TenantDetails.codice_destinatario",
    "TenantDetails.pec", "TenantDetails.language", "TenantDetails.vertical", "TenantDetails.size_class",
    "Address.street", "Address.cap", "Address.comune", "Address.provincia", "Address.country",
    "AssignmentDecided.reseller_id",
    "UsageRecorded.service_id", "UsageRecorded.meter", "UsageRecorded.value", "UsageRecorded.dimensions",
    "HeartbeatReceived.service_id", "IncidentReported.service_id", "IncidentReported.summary",
    "AcknowledgementGiven.alert_id", "OrderCancelRequested.order_id", "ResolutionGiven.alert_id",
}  # fmt: skip
"""Decided one by one, and said in each field's description where somebody could err."""

SAID_AT_THE_DOORS: tuple[type[Payload], ...] = (*OUTSIDE.values(), AssignmentDecided)


def texts(kind: type[Value]) -> Iterator[tuple[str, bool]]:
    """Every field of text in a payload, and whether it is marked."""
    for name, field in kind.model_fields.items():
        inner = list(_kinds(field.annotation))
        if str in inner:
            yield f"{kind.__name__}.{name}", name in marks(kind)
        for part in inner:
            if issubclass(part, Value):
                yield from texts(part)


def _kinds(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for part in get_args(annotation):
        if not isinstance(part, Personal):
            yield from _kinds(part)


@pytest.mark.parametrize("kind", SAID_AT_THE_DOORS, ids=lambda kind: kind.wire_type)
def test_of_every_text_that_comes_from_outside_it_is_decided_whether_it_names_a_person(
    kind: type[Payload],
) -> None:
    for name, is_marked in texts(kind):
        assert is_marked != (name in NAMES_NOBODY), f"{name}: mark it `Personal`, or list it here"


def test_a_mark_inside_a_list_or_an_alternative_would_not_be_found_and_there_is_none() -> None:
    for kind in SAID_AT_THE_DOORS:
        for found in _values(kind):
            for name, field in found.model_fields.items():
                in_the_open = name in marks(found)
                assert in_the_open or "Personal(" not in repr(field.annotation), (
                    f"{found.__name__}.{name}"
                )
                is_plain = isinstance(field.annotation, type) or type(None) in get_args(
                    field.annotation
                )
                below = [part for part in _kinds(field.annotation) if issubclass(part, Value)]
                assert is_plain or not any(map(may_name_persons, below)), f"{found.__name__}.{name}"


def _values(kind: type[Value]) -> Iterator[type[Value]]:
    yield kind
    for field in kind.model_fields.values():
        for part in _kinds(field.annotation):
            if issubclass(part, Value):
                yield from _values(part)


WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs", "Cn"]),
    min_size=1,
    max_size=60,
)
CONTACTS = st.builds(
    Contact,
    name=WORDS,
    phone=st.from_regex(r"\A\+?[0-9 ]{5,25}\Z"),
    email=st.from_regex(r"\A[a-z]{1,9}@[a-z.]{1,9}\Z"),
)


def order(contact: Contact) -> OrderPlaced:
    address = Address(street="Via 1", cap="41121", comune="Modena", provincia="MO")
    tenant = TenantDetails(
        external_id="X",
        name="Firm",
        partita_iva="12345670017",
        address=address,
        contact=contact,
        vertical="v",
    )
    return OrderPlaced(
        reference="R",
        tenant=tenant,
        items=(OrderItem.model_validate({"action": "add", "sku": "S"}),),
    )


SAID = st.one_of(
    CONTACTS.map(order),
    st.builds(
        AcknowledgementGiven, alert_id=st.just("11111111-1111-1111-1111-111111111111"), by=WORDS
    ),
    st.builds(
        ResolutionGiven,
        alert_id=st.just("11111111-1111-1111-1111-111111111111"),
        by=WORDS,
        note=st.just("") | WORDS,
    ),
    st.builds(AssignmentDecided, reseller_id=st.just("VAR"), reason=st.just("") | WORDS),
)


@given(said=SAID)
def test_what_is_taken_apart_fits_its_schema_and_can_be_put_together(said: Payload) -> None:
    rest, persons = apart(said, "VAR-A")
    assert type(said).model_validate_json(rest.model_dump_json()) == rest
    assert together(rest, persons) == said
    assert apart(rest, "VAR-A")[0] == rest
    assert all(text for text in persons.values())


def test_what_names_nobody_stays_as_it_is() -> None:
    beat = HeartbeatReceived(service_id="11111111-1111-1111-1111-111111111111")
    assert apart(beat, "VAR-A") == (beat, {})
    assert not may_name_persons(HeartbeatReceived)


def test_a_field_with_a_mark_that_is_new_is_found() -> None:
    class Inner(Value):
        who: Annotated[str, Personal("x")]

    class Outer(Value):
        inner: Inner | None = None

    assert may_name_persons(Outer)
    assert apart(Outer(inner=Inner(who="Ada")), "") == (
        Outer(inner=Inner(who="x")),
        {"/inner/who": "Ada"},
    )


@pytest.mark.parametrize(
    ("pointer", "kept"),
    [
        ("", ""),
        ("/data/tenant/contact/email", "/data/tenant/contact/email"),
        ("/data/items/12/quantities/ada@example.it", "/data/items/12/quantities/…"),
        ("/data/items/0/quantities/0555020001", "/data/items/0/quantities/…"),
        ("/Ada Rossi", "/…"),
        ("/data/tenant/contact/Ada~1Rossi", "/data/tenant/contact/…"),
        ("/subject", "/subject"),
    ],
)
def test_a_pointer_is_kept_without_the_senders_own_words(pointer: str, kept: str) -> None:
    assert kept_pointer(pointer) == kept


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (None, None), ("o-1", "o-1"), ("https://portal.example/a?b=1", "https://portal.example/a?b=1"),
        ("mailto:ada@example.it", LEFT_OUT), ("Ada Rossi", LEFT_OUT), ("Zoë", LEFT_OUT),
    ],
)  # fmt: skip
def test_an_id_is_kept_as_long_as_it_looks_like_one(name: str | None, kept: str | None) -> None:
    assert kept_name(name) == kept
