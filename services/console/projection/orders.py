"""How far each order has come."""

from typing import Any

from schemas.envelope import Event
from schemas.reasons import Reason
from schemas.scalars import rfc3339
from schemas.tenants import (
    OrderAcknowledged,
    OrderCancelled,
    OrderCompleted,
    OrderDelayed,
    OrderFailed,
    OrderHeld,
    OrderPartiallyCompleted,
    OrderScheduled,
)
from services.chassis.unit import Unit
from services.console.domain.stages import OrderStage
from services.console.store import sql


async def _order(event: Event[Any], unit: Unit, stage: OrderStage, **more: Any) -> None:
    values = {"accepted_at": None, "ended_at": None, "reason": None, "explanation": None, **more}
    await sql.put_order(
        unit.db, id=event.data.order_id, tenant_id=event.subject, reference=event.data.reference, state=stage,
        rank=stage.rank, **values,
    )  # fmt: skip


async def order_acknowledged(event: Event[OrderAcknowledged], unit: Unit) -> None:
    """An order is being worked on."""
    await _order(event, unit, OrderStage.ACKNOWLEDGED, accepted_at=event.time)


async def order_held(event: Event[OrderHeld], unit: Unit) -> None:
    """An order waits for a person."""
    await _order(
        event, unit, OrderStage.HELD, reason=event.data.reason, explanation=event.data.explanation
    )


async def order_delayed(event: Event[OrderDelayed], unit: Unit) -> None:
    """An order waits for a back-end."""
    data = event.data
    said = f"waits for the back-end ({', '.join(data.waits_for)}) since {rfc3339(data.since)}: {data.explanation}"
    await _order(
        event, unit, OrderStage.DELAYED, reason=Reason.BACK_END_UNAVAILABLE, explanation=said
    )


async def order_scheduled(event: Event[OrderScheduled], unit: Unit) -> None:
    """An order waits for its day."""
    said = f"takes effect at {rfc3339(event.data.begins_at)}"
    await _order(event, unit, OrderStage.SCHEDULED, explanation=said)


async def order_completed(event: Event[OrderCompleted], unit: Unit) -> None:
    """An order is done."""
    await _order(
        event, unit, OrderStage.COMPLETED, accepted_at=event.data.accepted_at, ended_at=event.time
    )


async def order_partially_completed(event: Event[OrderPartiallyCompleted], unit: Unit) -> None:
    """Some items of an order are done, others failed."""
    data = event.data
    await _order(
        event, unit, OrderStage.PARTIAL, accepted_at=data.accepted_at, ended_at=event.time, reason=data.reason,
        explanation=data.explanation,
    )  # fmt: skip


async def order_cancelled(event: Event[OrderCancelled], unit: Unit) -> None:
    """An order was taken back before any of it was done."""
    await _order(event, unit, OrderStage.CANCELLED, ended_at=event.time)


async def order_failed(event: Event[OrderFailed], unit: Unit) -> None:
    """An order has failed."""
    await _order(
        event,
        unit,
        OrderStage.FAILED,
        ended_at=event.time,
        reason=event.data.reason,
        explanation=event.data.explanation,
    )
