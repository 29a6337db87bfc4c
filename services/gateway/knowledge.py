"""What the doors know, kept in memory for a few seconds; what is not known is looked up before anything is refused."""

import time
from collections.abc import Iterable
from typing import TypeVar

from schemas.catalogue import Plan
from schemas.orders import OrderPlaced
from services.chassis.database import Pool
from services.gateway import store
from services.gateway.domain.admission import Kind, Known, Principal, Service, Tenant, Typed
from services.gateway.domain.keys import matches, split
from services.gateway.store import sql

FRESH_SECONDS = 3.0
"""How long a revoked key or a changed reseller may still be believed."""

ENTRIES_MAX = 200_000

T = TypeVar("T")


class _Fresh(dict[str, tuple[float, T]]):
    """A mapping whose entries are believed for a while."""

    def take(self, key: str) -> T | None:
        """A fresh entry, or None."""
        found = self.get(key)
        return found[1] if found is not None and time.monotonic() - found[0] < FRESH_SECONDS else None

    def keep(self, key: str, value: T) -> None:
        """Keep an entry; when there are too many, begin anew."""
        if len(self) >= ENTRIES_MAX:
            self.clear()
        self[key] = (time.monotonic(), value)


class Knowledge:
    """Keys, tenants, services and plans."""

    def __init__(self, pool: Pool, operator_token: str) -> None:
        self._pool = pool
        self._operator_token = operator_token
        self._keys: _Fresh[tuple[Principal, bytes]] = _Fresh()
        self._tenants: _Fresh[Tenant] = _Fresh()
        self._services: _Fresh[Service] = _Fresh()
        self._plans: _Fresh[tuple[dict[str, Plan], int]] = _Fresh()

    async def principal(self, key: str) -> Principal | None:
        """Who holds a key; None when nobody does."""
        key_id, secret = split(key)
        found = self._keys.take(key_id)
        if found is None:
            async with self._pool.acquire() as db:
                row = await sql.key(db, key_id=key_id)
            if row is None:
                return None
            found = Principal(Kind(row["kind"]), row["principal"], frozenset(row["skus"])), row["secret_hash"]
            self._keys.keep(key_id, found)
        return found[0] if matches(secret, found[1]) else None

    async def of(self, events: Iterable[Typed]) -> Known:
        """Everything that these events are about."""
        subjects, service_ids = set(), set()
        for typed in events:
            subjects.add(typed.subject)
            service_ids |= _services_of(typed)
        plans, revision = await self.plans()
        known = Known(plans, revision)
        known.tenants = await self._look_up(self._tenants, subjects, store.tenants)
        known.services = await self._look_up(self._services, service_ids, store.services)
        return known

    async def _look_up(self, cache: "_Fresh[T]", ids: set[str], query: object) -> dict[str, T]:
        found = {key: value for key in ids if (value := cache.take(key)) is not None}
        if missing := sorted(ids - found.keys()):
            async with self._pool.acquire() as db:
                looked_up: dict[str, T] = await query(db, missing)  # type: ignore[operator]
            for key, value in looked_up.items():
                cache.keep(key, value)
            found |= looked_up
        return found

    async def plans(self) -> tuple[dict[str, Plan], int]:
        """The plans in force, and the revision that stands."""
        found = self._plans.take("")
        if found is None:
            async with self._pool.acquire() as db, db.transaction(isolation="repeatable_read"):
                found = await store.plans(db), int(await sql.revision(db))
            self._plans.keep("", found)
        return found

    def forget(self) -> None:
        """Look everything up again: something was registered."""
        for cache in (self._keys, self._tenants, self._services, self._plans):
            cache.clear()


def _services_of(typed: Typed) -> set[str]:
    if isinstance(typed.data, OrderPlaced):
        return {item.service_id for item in typed.data.items if item.service_id}
    service_id = getattr(typed.data, "service_id", None)
    return {service_id} if service_id else set()
