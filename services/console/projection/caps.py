"""Spending caps, and how much of them is reported as spent."""

from schemas.billing import CapForeseen, CapReached, CapSet
from schemas.envelope import Event
from services.chassis.unit import Unit
from services.console.store import sql


async def cap_set(event: Event[CapSet], unit: Unit) -> None:
    """A cap is set, changed or lifted."""
    data = event.data
    if data.amount is None:
        await sql.lift_cap(
            unit.db, tenant_id=event.subject, service_id=data.service_id, meters=data.meters
        )
        return
    await sql.put_cap(
        unit.db, tenant_id=event.subject, service_id=data.service_id, meters=data.meters, amount=data.amount, hard=data.hard,
        since=data.since,
    )  # fmt: skip


async def cap_reached(event: Event[CapReached], unit: Unit) -> None:
    """A share of it is spent."""
    data = event.data
    await sql.note_spent(
        unit.db, tenant_id=event.subject, service_id=data.service_id, meters=data.meters, month=data.month,
        percent=data.percent, spent=data.spent,
    )  # fmt: skip


async def cap_foreseen(event: Event[CapForeseen], unit: Unit) -> None:
    """At this pace it will be passed."""
    data = event.data
    await sql.note_forecast(
        unit.db, tenant_id=event.subject, service_id=data.service_id, meters=data.meters, month=data.month,
        spent=data.spent, forecast=data.forecast,
    )  # fmt: skip
