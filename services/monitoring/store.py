"""Monitoring's statements (`queries.sql`), typed."""

from datetime import datetime
from pathlib import Path

import asyncpg

from schemas.alerts import AlertKind, AlertState
from schemas.signals import Severity
from schemas.tenants import LifeState
from services.chassis.database import Connection, load_queries
from services.monitoring.domain.heartbeats import WayIn
from services.monitoring.domain.model import OPERATOR_PROVINCIA, Alert, Responsible, WatchedService

sql = load_queries(Path(__file__).parent / "queries.sql")


def _alert(row: asyncpg.Record | None) -> Alert | None:
    if row is None:
        return None
    known = {
        "kind": AlertKind(row["kind"]),
        "severity": Severity(row["severity"]),
        "state": AlertState(row["state"]),
    }
    return Alert(**dict(row) | known)


async def lock_alert(db: Connection, alert_id: str) -> Alert | None:
    """An alert, held: of an answer and an escalation at the same moment, one comes first."""
    return _alert(await sql.lock_alert(db, id=alert_id))


async def lock_open_alert(db: Connection, fingerprint: str) -> Alert | None:
    """The open alert of some trouble, held."""
    return _alert(await sql.lock_open_alert(db, fingerprint=fingerprint))


async def responsible(db: Connection, tenant_id: str) -> Responsible:
    """Who serves a tenant; the operator's own desk where nobody does."""
    row = await sql.responsible(db, tenant_id=tenant_id)
    if row is None:
        return Responsible()
    return Responsible(
        row["reseller_id"], row["distance_km"], row["provincia"] or OPERATOR_PROVINCIA
    )


async def lock_service(db: Connection, service_id: str) -> WatchedService | None:
    """A service instance, held for this transaction."""
    row = await sql.service(db, id=service_id)
    return None if row is None else WatchedService(**dict(row))


async def watched(db: Connection, service_id: str) -> WatchedService | None:
    """A service instance, not held."""
    row = await sql.watched(db, id=service_id)
    return None if row is None else WatchedService(**dict(row))


async def state_at(db: Connection, service_id: str, at: datetime) -> LifeState:
    """The state of a service at an instant; active unless something else is known."""
    found = await sql.state_at(db, service_id=service_id, at=at)
    return LifeState.ACTIVE if found is None else LifeState(found)


async def way_in(db: Connection, part: int) -> WayIn | None:
    """Since when, and until when, the door is known to have let signals into a partition."""
    row = await sql.way_in(db, part=part)
    return None if row is None else WayIn(row["pulse_at"], row["open_since"])
