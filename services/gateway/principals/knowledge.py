"""What the doors know, kept in memory for a few seconds; the database is the truth, and has the last word in a refusal.

What is in use is looked up again before its time is over, all at once and beside the requests: they would else all wait for
it at the same moment, every few seconds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

from schemas.orders import OrderPlaced
from schemas.signals import AcknowledgementGiven, ResolutionGiven
from services.chassis.database import Connection, Pool, is_infrastructure
from services.chassis.logs import logger
from services.chassis.service import Runtime
from services.gateway import store
from services.gateway.domain.admission import Known, KnownService, KnownTenant, Principal
from services.gateway.domain.keys import matches, split
from services.gateway.domain.reading import Typed
from services.gateway.store import Held, Plans, sql

FRESH_SECONDS = 3.0
"""How long a revoked key or a reseller that lost a tenant may still be believed."""

RENEWED_SECONDS = 1.5
"""What is older than this and still in use is looked up again."""

RENEW_EVERY_SECONDS = 0.5
RENEWED_AT_ONCE = 1_000
ENTRIES_MAX = 200_000

log = logger(__name__)

T = TypeVar("T")
V = TypeVar("V")


class _Fresh(Generic[T]):
    """Entries that are believed for a while."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, T]] = {}
        self._asked: dict[str, asyncio.Future[Any]] = {}
        self._in_use: set[str] = set()

    def get(self, key: str) -> T | None:
        """A fresh entry, or None."""
        found = self._entries.get(key)
        if found is None or (age := time.monotonic() - found[0]) >= FRESH_SECONDS:
            return None
        if age > RENEWED_SECONDS:
            self._in_use.add(key)
        return found[1]

    async def renew(self, look_up: Callable[[Sequence[str]], Awaitable[dict[str, T]]]) -> None:
        """Look up again what is in use and no longer young. What is there no more is forgotten."""
        while self._in_use:
            keys = list(islice(self._in_use, RENEWED_AT_ONCE))
            self._in_use.difference_update(keys)
            entries = self._entries
            found = await look_up(keys)
            if self._entries is not entries:
                return  # all was forgotten meanwhile: what was found is older than that
            for key in keys:
                if key in found:
                    self.keep(key, found[key])
                else:
                    entries.pop(key, None)

    def keep(self, key: str, value: T) -> None:
        """Keep an entry; when there are too many, all are forgotten."""
        if len(self._entries) >= ENTRIES_MAX:
            self.clear()
        self._entries[key] = (time.monotonic(), value)

    def clear(self) -> None:
        """Believe nothing."""
        self._entries = {}
        self._asked.clear()
        self._in_use.clear()

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

    _pool: Pool

    def __init__(self) -> None:
        self._keys: _Fresh[Held] = _Fresh()
        self._tenants: _Fresh[KnownTenant] = _Fresh()
        self._services: _Fresh[KnownService] = _Fresh()
        self._alerts: _Fresh[str] = _Fresh()
        self._plans: _Fresh[Plans] = _Fresh()
        self._read: Plans | None = None

    def look_in(self, pool: Pool) -> None:
        """Say where it is looked up; before anything is asked."""
        self._pool = pool

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

    async def _look_up_key(self, key_id: str) -> Held | None:
        async with self._pool.acquire() as db:
            found = await store.keys(db, [key_id])
        if key_id not in found:
            return None
        self._keys.keep(key_id, found[key_id])
        return found[key_id]

    async def keep(self, runtime: Runtime) -> None:
        """Renew what is in use, until the service stops. While the database is unavailable, everything grows old."""
        while not runtime.stopping.is_set():
            await asyncio.sleep(RENEW_EVERY_SECONDS)
            try:
                await self._renew()
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("cannot renew what the doors know", error=type(error).__name__)

    async def _renew(self) -> None:
        async def plans(_: Sequence[str]) -> dict[str, Plans]:
            return {"": await self._read_plans()}

        await self._plans.renew(plans)
        async with self._pool.acquire() as db:
            await self._keys.renew(partial(store.keys, db))
            await self._tenants.renew(partial(store.tenants, db))
            await self._services.renew(partial(store.services, db))
            await self._alerts.renew(partial(store.alerts, db))

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
            plans.known, plans.on_sale, plans.revision, measured=plans.measured, needs=plans.needs
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
        """The catalogue in force. Hundreds of plans take a while to read, so it is read once."""
        async with (
            self._pool.acquire() as db,
            db.transaction(isolation="repeatable_read", readonly=True),
        ):
            found = self._read
            if found is None or found.revision != int(await sql.revision(db)):
                found = self._read = await store.plans(db)
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
