"""What became of what was sent, both ways: deliveries, refusals at the door, and rejects behind it."""

from typing import Any

from fastapi import FastAPI, Request, Response

from schemas.reasons import Reason
from schemas.scalars import Key, Uuid
from services.chassis.paging import At, Cursor, Number, PageLimit, page, place_of
from services.chassis.store import collect
from services.gateway.domain.schedule import DeliveryState
from services.gateway.doors import Doors, principal_of
from services.gateway.store import sql

Rows = list[dict[str, Any]]


class Logs:
    """The gateway's own lists, newest first, a page at a time: of one party, or of all."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def deliveries(
        self, request: Request, answer: Response, recipient: str | None, state: DeliveryState | None,
        alert_id: str | None, cursor: str | None, limit: int,
    ) -> Rows:  # fmt: skip
        """The delivery log; of one alert, if said."""
        created_at, notification_id = place_of(cursor, tuple[At, str]) or (None, None)
        async with self._doors.runtime.pool.acquire() as db:
            rows = await collect(sql.deliveries(
                db, recipient=recipient, state=state, alert_id=alert_id, created_at=created_at, id=notification_id,
                limit=limit + 1,
            ))  # fmt: skip
        found = [dict(row) for row in rows]
        return page(
            request, answer, found, limit, lambda row: (row["created_at"], row["notification_id"])
        )

    async def rejects(
        self, request: Request, answer: Response, sender: str | None, tenant_id: str | None, reason: str | None,
        cursor: str | None, limit: int,
    ) -> Rows:  # fmt: skip
        """What was let in and refused later."""
        async with self._doors.runtime.pool.acquire() as db:
            rows = await collect(sql.rejected_events(
                db, sender=sender, tenant_id=tenant_id, reason=reason, n=_number(cursor), limit=limit + 1
            ))  # fmt: skip
        return _numbered(request, answer, rows, limit)

    async def refusals(
        self, request: Request, answer: Response, principal: str | None, reason: Reason | None, cursor: str | None,
        limit: int,
    ) -> Rows:  # fmt: skip
        """What was refused at the door."""
        async with self._doors.runtime.pool.acquire() as db:
            rows = await collect(sql.refusals(
                db, principal=principal, reason=reason, n=_number(cursor), limit=limit + 1
            ))  # fmt: skip
        return _numbered(request, answer, rows, limit)

    async def refusal_counts(self) -> dict[str, int]:
        """Faults by reason since the beginning."""
        async with self._doors.runtime.pool.acquire() as db:
            return {row["reason"]: row["n"] for row in await collect(sql.refusal_counts(db))}


def _number(cursor: str | None) -> int | None:
    found = place_of(cursor, tuple[Number])
    return None if found is None else found[0]


def _numbered(request: Request, answer: Response, rows: list[Any], limit: int) -> Rows:
    found = page(request, answer, [dict(row) for row in rows], limit, lambda row: (row["n"],))
    return [{name: value for name, value in row.items() if name != "n"} for row in found]


def add_logs(app: FastAPI, logs: Logs) -> None:
    """The lists of the holder of a key."""

    @app.get("/v1/deliveries")
    async def my_deliveries(
        request: Request,
        answer: Response,
        state: DeliveryState | None = None,
        alert_id: Uuid | None = None,
        cursor: Cursor = None,
        limit: PageLimit = 100,
    ) -> Rows:
        """Notifications to the holder of this key, newest first; of one alert, if said."""
        me = principal_of(request).id
        return await logs.deliveries(request, answer, me, state, alert_id, cursor, limit)

    @app.get("/v1/rejects")
    async def my_rejects(
        request: Request,
        answer: Response,
        tenant_id: Uuid | None = None,
        reason: Reason | None = None,
        cursor: Cursor = None,
        limit: PageLimit = 100,
    ) -> Rows:
        """Events of the holder of this key that got a 202 and were refused later, newest first."""
        me = principal_of(request).id
        return await logs.rejects(request, answer, me, tenant_id, reason, cursor, limit)

    @app.get("/v1/refusals")
    async def my_refusals(
        request: Request,
        answer: Response,
        reason: Reason | None = None,
        cursor: Cursor = None,
        limit: PageLimit = 100,
    ) -> Rows:
        """Faults for which a door refused requests of the holder of this key, newest first."""
        me = principal_of(request).id
        return await logs.refusals(request, answer, me, reason, cursor, limit)


def add_operators_logs(app: FastAPI, logs: Logs) -> None:
    """The same lists of everybody."""

    @app.get("/operator/v1/deliveries")
    async def deliveries(
        request: Request,
        answer: Response,
        recipient: Key | None = None,
        state: DeliveryState | None = None,
        alert_id: Uuid | None = None,
        cursor: Cursor = None,
        limit: PageLimit = 100,
    ) -> Rows:
        """The delivery log, newest first; of one recipient or alert, if said."""
        return await logs.deliveries(request, answer, recipient, state, alert_id, cursor, limit)

    @app.get("/operator/v1/rejects")
    async def rejects(
        request: Request,
        answer: Response,
        sender: Key | None = None,
        tenant_id: Uuid | None = None,
        reason: Reason | None = None,
        cursor: Cursor = None,
        limit: PageLimit = 100,
    ) -> Rows:
        """Events that got a 202 and were refused later, newest first; of one sender or tenant, if said."""
        return await logs.rejects(request, answer, sender, tenant_id, reason, cursor, limit)

    @app.get("/operator/v1/refusals")
    async def refusals(
        request: Request,
        answer: Response,
        principal: Key | None = None,
        reason: Reason | None = None,
        cursor: Cursor = None,
        limit: PageLimit = 100,
    ) -> dict[str, Any]:
        """Faults by reason since the beginning, and the newest of them."""
        found = await logs.refusals(request, answer, principal, reason, cursor, limit)
        return {"total": await logs.refusal_counts(), "refusals": found}
