"""What is kept of a refusal: nothing in the sender's own words, for what is refused may name a person in any place."""

import re
from collections.abc import Iterator
from typing import Any, get_args

from schemas.scalars import Value
from services.gateway.domain.cloudevents import OPTIONAL, REQUIRED, RESERVED
from services.gateway.domain.reading import OUTSIDE

LEFT_OUT = "…"
INDEX_DIGITS_MAX = 5
_MACHINE_NAME = re.compile(r"[A-Za-z0-9._:/?#&=+~-]{1,255}")
"""What identifiers are made of; an address of mail has an at sign, a name of a person a blank."""


def kept_pointer(pointer: str) -> str:
    """A pointer with our own names and positions only."""
    return "/".join(
        part if part in _OURS or _is_index(part) else LEFT_OUT for part in pointer.split("/")
    )


def kept_name(name: str | None) -> str | None:
    """A source or an id as it is kept, so that a refused event is found: as long as it looks like an identifier."""
    return name if name is None or _MACHINE_NAME.fullmatch(name) else LEFT_OUT


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= INDEX_DIGITS_MAX


def _fields(kind: type[Value]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield name
        yield from _fields_in(field.annotation)


def _fields_in(annotation: Any) -> Iterator[str]:
    if isinstance(annotation, type) and issubclass(annotation, Value):
        yield from _fields(annotation)
    for part in get_args(annotation):
        yield from _fields_in(part)


_OURS = frozenset(
    (
        "",
        "data",
        "data_base64",
        *REQUIRED,
        *OPTIONAL,
        *RESERVED,
        *(name for kind in OUTSIDE.values() for name in _fields(kind)),
    )
)
