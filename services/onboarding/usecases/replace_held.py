"""Replace an order that waits for a person by the same order sent again, so that the two make one service, not two."""

from schemas.envelope import Event
from schemas.orders import OrderPlaced
from schemas.reasons import Reason
from services.chassis.unit import Unit
from services.onboarding import store
from services.onboarding.domain.authority import Sender
from services.onboarding.domain.model import Order
from services.onboarding.domain.orders import Asked, asked, same_items
from services.onboarding.usecases.end_order import end_unbegun


async def replace_held(event: Event[OrderPlaced], order_id: str, unit: Unit) -> None:
    """End the firm's other held orders that ask for what this one asks for, and tell their sender which order stands now.

    Called once the order is kept: a firm that has it does not lose its place with the ones before.
    """
    wanted = [
        asked(item.action, item.sku, item.service_id, item.quantities) for item in event.data.items
    ]
    for held in await store.held_orders(unit.db, event.subject):
        mine = held.principal is None or Sender(event.principal).speaks_for(held.principal)
        if held.id != order_id and mine and same_items(wanted, await _asked_by(held.id, unit)):
            await _supersede(held, order_id, unit)


async def _asked_by(order_id: str, unit: Unit) -> list[Asked]:
    items = await store.items(unit.db, order_id)
    return [asked(item.action, item.sku, item.service_id, item.quantities) for item in items]


async def _supersede(held: Order, order_id: str, unit: Unit) -> None:
    explanation = (
        f"it waited for a person and was ordered again: order {order_id} stands in its place"
    )
    await end_unbegun(held, Reason.SUPERSEDED, explanation, unit)
