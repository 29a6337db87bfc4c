"""Lists are given in pages: `Link` names the next one by a cursor, which holds where the page before it ended.

A cursor names a place in the list's order, not a count: rows that come or go meanwhile shift nothing.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Query, Request, Response

from schemas.reasons import Reason
from schemas.scalars import holds_forbidden_text
from services.chassis.web import refused

CURSOR_LENGTH_MAX = 1_000
PAGE_MAX = 1_000

Cursor = Annotated[
    str | None,
    Query(max_length=CURSOR_LENGTH_MAX, description="Where the page begins: from `Link` of the page before."),
]  # fmt: skip
PageLimit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="At most so many.")]

At = Annotated[datetime, msgspec.Meta(tz=True)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Parts of a place, as PostgreSQL takes them."""

Place = TypeVar("Place")


def cursor_of(place: Sequence[Any]) -> str:
    """A place in a list's order as a cursor."""
    return urlsafe_b64encode(msgspec.json.encode(list(place))).decode().rstrip("=")


def place_of(cursor: str | None, kind: type[Place]) -> Place | None:
    """The place that a cursor holds; None for the beginning. Raises `Problem` 422 for what is no cursor of this list."""
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        if holds_forbidden_text(raw.decode()) or b"\\u0000" in raw:
            raise ValueError("text that is no place")
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise refused("/cursor", Reason.BAD_DATA, "this is no cursor of this list") from None


def page(
    request: Request,
    answer: Response,
    found: list[Any],
    limit: int,
    place: Callable[[Any], Sequence[Any]],
) -> list[Any]:
    """The first `limit` of the rows; one row more means that there is a next page, and `Link` says where."""
    if len(found) > limit:
        after = request.url.include_query_params(
            limit=limit, cursor=cursor_of(place(found[limit - 1]))
        )
        answer.headers["Link"] = f'<{after.path}?{after.query}>; rel="next"'
    return found[:limit]
