"""What the doors know, kept in memory for a few seconds; the database is the truth, and has the last word in a refusal."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from schemas.orders import OrderPlaced
from schemas.signals import AcknowledgementGiven, ResolutionGiven
from services.chassis.database import Connection, Pool
from services.gateway import store
from services.gateway.domain.admission import (
    Known,
    KnownService,
    KnownTenant,
    Principal,
    PrincipalKind,
)
from services.gateway.domain.keys import matches, split
from services.gateway.domain.reading import Typed
from services.gateway.store import Plans, sql

FRESH_SECONDS = 3.0
"""How long a revoked key or a reseller that lost a tenant may still be believed."""

ENTRIES_MAX = 200_000

T = TypeVar("T")
V = TypeVar("V")


class _Fresh(Generic[T]):
    """Entries that are believed for a while."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, T]] = {}
        self._asked: dict[str, asyncio.Future[Any]] = {}

    def get(self, key: str) -> T | None:
        """A fresh entry, or None."""
        found = self._entries.get(key)
        return (
            found[1] if found is not None and time.monotonic() - found[0] < FRESH_SECONDS else None
        )

    def keep(self, key: str, value: T) -> None:
        """Keep an entry; when there are too many, all are forgotten."""
        if len(self._entries) >= ENTRIES_MAX:
            self._entries.clear()
        self._entries[key] = (time.monotonic(), value)

    def clear(self) -> None:
        """Believe nothing."""
        self._entries.clear()
        self._asked.clear()

    async def once(self, key: str, ask: Callable[[], Awaitable[V]]) -> V:
        """Ask, unless somebody is asking for the same already: then their answer is ours.

        When an entry is no longer fresh, all requests that run need it at the same moment.
        """
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.ensure_future(ask())
            asked.add_done_callback(partial(self._answered, key))
        found: V = await asyncio.shield(asked)
        return found

    def _answered(self, key: str, asked: "asyncio.Future[Any]") -> None:
        if self._asked.get(key) is asked:
            del self._asked[key]
        if not asked.cancelled():
            asked.exception()  # whoever waits has it; perhaps nobody waits any more


class Knowledge:
    """Keys, tenants, services and plans."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._keys: _Fresh[tuple[Principal, bytes]] = _Fresh()
        self._tenants: _Fresh[KnownTenant] = _Fresh()
        self._services: _Fresh[KnownService] = _Fresh()
        self._alerts: _Fresh[str] = _Fresh()
        self._plans: _Fresh[Plans] = _Fresh()

    async def principal(self, key: str) -> Principal | None:
        """Who holds a key; None when nobody does."""
        parts = split(key)
        if parts is None:
            return None
        key_id, secret = parts
        found = self._keys.get(key_id)
        if found is None:
            found = await self._keys.once(key_id, partial(self._look_up_key, key_id))
        return found[0] if found is not None and matches(secret, found[1]) else None

    async def _look_up_key(self, key_id: str) -> tuple[Principal, bytes] | None:
        async with self._pool.acquire() as db:
            row = await sql.key(db, key_id=key_id)
        if row is None:
            return None
        found = (
            Principal(PrincipalKind(row["kind"]), row["principal"], frozenset(row["skus"])),
            row["secret_hash"],
        )
        self._keys.keep(key_id, found)
        return found

    async def of(self, events: Iterable[Typed], *, anew: bool = False) -> Known:
        """Everything that these events are about. `anew` asks the database for all of it."""
        subjects, service_ids, alert_ids, preferred = set(), set(), set(), set()
        for typed in events:
            subjects.add(typed.subject)
            service_ids |= _services_of(typed)
            if isinstance(typed.data, (AcknowledgementGiven, ResolutionGiven)):
                alert_ids.add(typed.data.alert_id)
            elif isinstance(typed.data, OrderPlaced) and typed.data.preferred_reseller:
                preferred.add(typed.data.preferred_reseller)
        plans = await self._look_up_plans(anew)
        known = Known(
            plans.known, plans.on_sale, plans.revision, names=plans.names, needs=plans.needs
        )
        known.tenants = await self._look_up(self._tenants, subjects, store.tenants, anew)
        known.services = await self._look_up(self._services, service_ids, store.services, anew)
        if preferred:
            async with self._pool.acquire() as db:
                known.resellers = await store.resellers_among(db, preferred)
        if alert_ids:
            known.alerts = await self._look_up(self._alerts, alert_ids, store.alerts, anew)
        return known

    async def _look_up(
        self,
        cache: _Fresh[T],
        ids: set[str],
        query: Callable[[Connection, Sequence[str]], Awaitable[dict[str, T]]],
        anew: bool,
    ) -> dict[str, T]:
        found = {} if anew else {key: value for key in ids if (value := cache.get(key)) is not None}
        if missing := sorted(ids - found.keys()):
            async with self._pool.acquire() as db:
                looked_up = await query(db, missing)
            for key, value in looked_up.items():
                cache.keep(key, value)
            found |= looked_up
        return found

    async def _look_up_plans(self, anew: bool) -> Plans:
        if anew:
            return await self._read_plans()
        found = self._plans.get("")
        return found if found is not None else await self._plans.once("", self._read_plans)

    async def _read_plans(self) -> Plans:
        async with (
            self._pool.acquire() as db,
            db.transaction(isolation="repeatable_read", readonly=True),
        ):
            found = await store.plans(db)
        self._plans.keep("", found)
        return found

    def forget(self) -> None:
        """Look everything up again: something was registered."""
        for cache in (self._keys, self._tenants, self._services, self._alerts, self._plans):
            cache.clear()


def _services_of(typed: Typed) -> set[str]:
    if isinstance(typed.data, OrderPlaced):
        return {item.service_id for item in typed.data.items if item.service_id}
    service_id = getattr(typed.data, "service_id", None)
    return {service_id} if service_id else set()
