"""Alerts and what happened to them."""

from typing import Any

from schemas.alerts import (
    AlertAcknowledged,
    AlertEscalated,
    AlertOpened,
    AlertRaised,
    AlertResolved,
)
from schemas.envelope import Event
from services.chassis.unit import Unit
from services.console.store import sql


async def alert_opened(event: Event[AlertOpened], unit: Unit) -> None:
    """Trouble."""
    await sql.open_alert(
        unit.db,
        id=event.data.alert_id,
        tenant_id=event.subject,
        document=event.data.model_dump(mode="json"),
    )


async def alert_raised(event: Event[AlertRaised], unit: Unit) -> None:
    """Trouble is worse than it was, and must be acknowledged again."""
    changed = {"severity", "summary", "acknowledge_by", "resolve_by", "visit"}
    await sql.raise_alert(
        unit.db, id=event.data.alert_id, changes=event.data.model_dump(mode="json", include=changed)
    )


async def stamp_alert(alert_id: str, unit: Unit, **stamps: Any) -> None:
    """Note when something happened to an alert; the first time counts."""
    none = dict.fromkeys(("notified_at", "acknowledged_at", "escalated_at", "resolved_at"))
    await sql.stamp_alert(unit.db, id=alert_id, **{**none, **stamps})


async def alert_acknowledged(event: Event[AlertAcknowledged], unit: Unit) -> None:
    """Somebody has it in hand."""
    await stamp_alert(event.data.alert_id, unit, acknowledged_at=event.data.acknowledged_at)


async def alert_escalated(event: Event[AlertEscalated], unit: Unit) -> None:
    """Nobody answered in time."""
    await stamp_alert(event.data.alert_id, unit, escalated_at=event.data.escalated_at)


async def alert_resolved(event: Event[AlertResolved], unit: Unit) -> None:
    """It is over."""
    await stamp_alert(event.data.alert_id, unit, resolved_at=event.data.resolved_at)
