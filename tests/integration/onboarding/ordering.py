"""Orders about services that are there, as tests of their states place them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from schemas.envelope import Event
from schemas.orders import OrderPlaced
from schemas.tenants import ServiceActivated
from tests.integration.onboarding.scenario import NEAR, Scenario, event, order

DAY = timedelta(days=1)
RETENTION = timedelta(days=30)


async def served(scenario: Scenario, *skus: str) -> list[Event[ServiceActivated]]:
    """The services of a firm that ordered these."""
    await scenario.know(NEAR)
    await scenario.service.publish(order("F1", 0, *skus))
    await scenario.service.settled()
    return sorted(
        await scenario.service.published(ServiceActivated), key=lambda active: active.data.item
    )


def item_of(action: str, active: Event[ServiceActivated], **more: Any) -> dict[str, Any]:
    return {"action": action, "service_id": active.data.service_id, **more}


def ask(
    active: Event[ServiceActivated], name: str, *items: dict[str, Any], at: datetime | None = None
) -> Event[OrderPlaced]:
    data = {"reference": name, "items": list(items), "effective_at": at}
    return event(active.subject, OrderPlaced.model_validate(data), name)


async def do(
    scenario: Scenario, active: Event[ServiceActivated], action: str, at: datetime | None = None
) -> None:
    await scenario.service.publish(
        ask(active, f"{action}-{uuid4()}", item_of(action, active), at=at)
    )
    await scenario.service.settled()


async def stands(scenario: Scenario, service_id: str) -> str:
    (row,) = await scenario.service.sql(
        f"select state from service_instance where id = '{service_id}'"
    )
    return str(row["state"])
