"""How a list is asked for in parts, by the query API and by pages."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Query

from services.chassis.database import Connection
from services.console import store

OFFSET_MAX = 100_000
Listing = Callable[[Connection, store.Part], Awaitable[list[dict[str, Any]]]]
Offset = Annotated[int, Query(ge=0, le=OFFSET_MAX, description="From here on, counted from 0.")]
