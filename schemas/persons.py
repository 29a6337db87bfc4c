"""Fields that name a person. Behind the doors they hold stand-ins; what was said of persons travels sealed beside the data.

A payload marks such a field with `Personal`. The door takes the values out (`apart`), seals them under a key of the tenant,
and puts them into the envelope's `sealed`. Whoever may see them opens them and puts them back (`together`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, get_args

from schemas.scalars import Value

ValueT = TypeVar("ValueT", bound=Value)


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a text that names a person. `stand_in` fits the field's own rules; None: the id of who spoke at the door."""

    stand_in: str | None


@cache
def marks(kind: type[Value]) -> dict[str, Personal]:
    """The fields of a kind of value that name a person."""
    return {
        name: mark
        for name, field in kind.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Personal)
    }  # fmt: skip


@cache
def may_name_persons(kind: type[Value]) -> bool:
    """Whether a kind of value has a field that names a person, at any depth."""
    inner = (part for field in kind.model_fields.values() for part in _kinds(field.annotation))
    return bool(marks(kind)) or any(map(may_name_persons, inner))


def _kinds(annotation: Any) -> Iterator[type[Value]]:
    if isinstance(annotation, type) and issubclass(annotation, Value):
        yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def apart(value: ValueT, speaker: str) -> tuple[ValueT, dict[str, str]]:
    """A value with stand-ins for what names persons, and what it said there, by JSON pointer. Empty texts stay."""
    said: dict[str, str] = {}
    if not may_name_persons(type(value)):
        return value, said
    changed: dict[str, Any] = {}
    own = marks(type(value))
    for name, part in _parts(value):
        if name in own:
            if part:
                stand_in = own[name].stand_in
                said[f"/{name}"], changed[name] = part, speaker if stand_in is None else stand_in
        elif isinstance(part, Value):
            inner, found = apart(part, speaker)
            if found:
                changed[name] = inner
                said |= {f"/{name}{pointer}": text for pointer, text in found.items()}
    return (value.model_copy(update=changed) if changed else value), said


def together(value: ValueT, said: Mapping[str, str]) -> ValueT:
    """A value with what it said of persons in place of the stand-ins."""
    changed: dict[str, Any] = {}
    own = marks(type(value))
    for name, part in _parts(value):
        if name in own:
            changed[name] = said.get(f"/{name}", part)
        elif isinstance(part, Value):
            below = {
                pointer.removeprefix(f"/{name}"): text
                for pointer, text in said.items()
                if f"{pointer}/".startswith(f"/{name}/")
            }
            changed[name] = together(part, below)
    return value.model_copy(update=changed) if changed else value


def _parts(value: Value) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(value, name)) for name in type(value).model_fields)
