"""What resellers are paid, quarter by quarter."""

from schemas.billing import SettlementIssued
from schemas.envelope import Event
from services.chassis.unit import Unit
from services.console.store import sql


async def settlement_issued(event: Event[SettlementIssued], unit: Unit) -> None:
    """A statement, final."""
    data = event.data
    await sql.put_settlement(
        unit.db, reseller_id=data.reseller_id, quarter=data.quarter, currency=data.currency, issued_at=event.time,
        document=data.model_dump(mode="json"),
    )  # fmt: skip
