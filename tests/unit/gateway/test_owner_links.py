"""A link to an owner's page says whose it is and until when; nothing that was changed, cut or expired is read as one."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.owner_links import (
    LASTS,
    LINK_CHARACTERS,
    LinkBroken,
    new_link,
    read_link,
)
from services.gateway.owner.reading import origin_of
from services.gateway.principals.contacts import Persons

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
TENANT = "1f0b2a52-4a41-5a0b-9d07-0d8f7b6a1c11"
PERSONS = Persons(b"k" * 32)


def written(at: datetime = NOW) -> str:
    link = new_link(TENANT, at)
    return link.written(PERSONS.sign_link(link.claim))


@given(st.uuids(), st.integers(0, 70 * 365 * 86400))
def test_what_is_written_is_read(tenant: UUID, seconds: int) -> None:
    at = NOW + timedelta(seconds=seconds)
    link = new_link(str(tenant), at)
    text = link.written(PERSONS.sign_link(link.claim))
    assert len(text) == LINK_CHARACTERS
    assert read_link(text, at) == (link, PERSONS.sign_link(link.claim))


@given(st.data())
def test_a_changed_link_is_broken_or_its_signature_no_longer_fits(data: st.DataObject) -> None:
    text = written()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_=/+ é\n"))
    changed = text[:place] + other + text[place + 1 :]
    if changed == text:
        return
    try:
        link, signature = read_link(changed, NOW)
    except LinkBroken:
        return
    assert PERSONS.sign_link(link.claim) != signature


@given(st.text(max_size=100))
def test_any_other_text_is_none(text: str) -> None:
    with pytest.raises(LinkBroken):
        read_link(text, NOW)


def test_it_ends_with_its_time_and_another_tenants_key_makes_another_signature() -> None:
    text = written()
    read_link(text, NOW + LASTS - timedelta(seconds=1))
    with pytest.raises(LinkBroken, match="expired"):
        read_link(text, NOW + LASTS)
    claim = new_link(TENANT, NOW).claim
    assert Persons(b"o" * 32).sign_link(claim) != PERSONS.sign_link(claim)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://foto.example.it/anna.jpg", "https://foto.example.it"),
        ("https://foto.example.it:8443/anna.jpg?x=1", "https://foto.example.it:8443"),
        ("http://foto.example.it/anna.jpg", ""), ("https://a;script-src *.example/x", ""), ("", ""), ("https://", ""),
        ("javascript:alert(1)", ""), ("https://u:p@foto.example.it/", ""), ("https://[::1]/x", ""), ("data:image/png,x", ""),
    ],
)  # fmt: skip
def test_a_page_shows_a_picture_of_a_plain_https_address_only(url: str, origin: str) -> None:
    assert origin_of(url) == origin
