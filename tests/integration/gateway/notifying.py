"""Alerts to tell, and what the delivery log says of them."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from schemas.alerts import AlertKind, AlertOpened, Visit
from schemas.signals import Severity
from tests.integration.gateway.receivers import (
    Receiver,
    answering,
    receiving,
)
from tests.integration.gateway.world import (
    NOW,
    World,
    reseller,
)


def alert(world: World, firm: str, reseller_id: str) -> AlertOpened:
    return AlertOpened(
        alert_id=str(uuid4()), kind=AlertKind.INCIDENT, severity=Severity.P1, service_id=world.services[firm],
        sku="ERP-CLOUD", reseller_id=reseller_id, summary="down", opened_at=NOW,
        acknowledge_by=NOW + timedelta(minutes=15), resolve_by=None,
        visit=Visit.model_validate({"eligible": False, "due_at": None, "distance_km": "1.0"}),
    )  # fmt: skip


async def point(world: World, name: str, receiver: Receiver) -> None:
    """Make a reseller's webhooks go to a receiver."""
    answer = await world.call("PUT", f"/operator/v1/resellers/{name}", reseller(name, receiver.url))
    assert answer.status == 200


async def drain(world: World, name: str) -> None:
    """Let a reseller's waiting notifications arrive somewhere: they would be tried at its next address, too."""
    async with receiving(answering("200 OK")) as receiver:
        await point(world, name, receiver)
        await world.gateway.settled()


async def log_of(world: World, alert_id: str) -> dict[str, Any]:
    """The line of the delivery log about an alert, and whether it is being delivered just now."""
    query = """
        select *, exists (select from job where key = notification.id::text and lease_token is not null) as at_work
        from notification where alert_id = $1
    """
    found = await world.gateway.sql(query, alert_id)
    return dict(found[0]) if found else {}


async def attempts(
    world: World, alert_id: str, n: int, tick: timedelta = timedelta(0)
) -> dict[str, Any]:
    """Wait until an alert was tried `n` times, and what comes next is decided; time goes on by `tick` per look."""

    async def tried() -> Any:
        line = await log_of(world, alert_id)
        if not line or line["attempts"] < n:
            world.clock.advance(tick)
            return None
        return None if line["at_work"] else line

    found: dict[str, Any] = await world.gateway.eventually(tried)
    return found
