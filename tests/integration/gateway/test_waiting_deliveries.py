"""How long the oldest notification waits for its receiver is measured; one whose receiver is gone waits no more."""

from datetime import timedelta

from services.chassis.waiting import measure
from services.gateway.app import WAITING
from tests.integration.gateway.notifying import alert, attempts, point
from tests.integration.gateway.receivers import answering, receiving
from tests.integration.gateway.world import World, tenant_of
from tests.support.waits import waits


async def test_a_notification_waits_until_it_is_delivered_or_its_receiver_is_gone(
    world: World,
) -> None:
    await world.serve("A", "VAR-A")
    async with receiving(answering("503 Service Unavailable")) as silent:
        await point(world, "VAR-A", silent)
        opened = alert(world, "A", "VAR-A")
        await world.tell(tenant_of("A"), opened)
        await attempts(world, opened.alert_id, 1)
        world.clock.advance(timedelta(hours=2))
        await measure(world.gateway.runtime, WAITING)
        n, seconds = waits("delivery")
        assert (n, seconds) == (2, 7200)  # that it serves the firm, and the alert
    await world.gateway.sql("update reseller set webhook_closed_at = now() where id = 'VAR-A'")
    await measure(world.gateway.runtime, WAITING)
    assert waits("delivery") == (0, 0)
