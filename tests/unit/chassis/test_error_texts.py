"""The text of an error can be stored, sent and shown, and says nothing of our servers."""

import asyncpg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from schemas.scalars import Text
from services.chassis.database import error_text
from services.chassis.texts import TEXT_LENGTH_MAX, bounded

ANYTHING = st.text(alphabet=st.characters(exclude_categories=()), max_size=3000)


@given(ANYTHING)
@example("\x00" * 2000)
@example("x" * 1_000_000)
@example("\ud800" * 600)
@example("\ufffe\u2028\u202e")
def test_any_text_of_an_error_fits_every_schema_and_the_database(text: str) -> None:
    found = error_text(RuntimeError(text))
    assert len(found) <= TEXT_LENGTH_MAX
    assert TypeAdapter(Text).validate_python(found) == found
    assert "\x00" not in found.encode().decode()


def test_what_is_cut_says_so() -> None:
    assert bounded("x" * 501) == "x" * 499 + "…"
    assert bounded("x" * 500) == "x" * 500


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("Connect call failed ('10.1.2.3', 5432)"),
        OSError("10.1.2.3 is not there"),
        asyncpg.InvalidPasswordError('password authentication failed for user "10.1.2.3"'),
        asyncpg.InterfaceError("cannot reach 10.1.2.3"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_hosts_and_roles_are_not_in_it(error: Exception) -> None:
    assert "10.1.2.3" not in error_text(error)
