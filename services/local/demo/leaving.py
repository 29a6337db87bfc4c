"""A firm leaves: its service ends, nobody gets in any more, its data are kept for thirty days, and then nothing is left."""

import asyncpg

from services.local.demo import checks, secrecy
from services.local.demo.stage import ORDER, Stage, rome
from services.local.demo.usage import DemoService
from services.local.demo.world import cloud_event
from services.onboarding.domain.credentials import derive

LEAVER = "SME-07"


async def act_leave(stage: Stage) -> None:
    """5 January: SME-07 ends its only service; on 4 February its data are removed."""
    leaver = next(one for one in await stage.services() if one.tenant == LEAVER)
    items = [{"action": "end", "service_id": leaver.service_id}]
    order = cloud_event(
        ORDER, "order-SME-07-end", "/portal", stage.now(), {"reference": "ORD-SME-07-END", "items": items},
        leaver.tenant_id,
    )  # fmt: skip
    answer = await stage.client(leaver.reseller).send(order)
    stage.expect.equal(f"{LEAVER}'s order to end its service is accepted", answer.status, 202)
    await stage.until(
        f"{leaver.reseller} is notified of the end",
        lambda: _heard(stage, "vicino.service.ended.v1"),
    )
    stage.expect.equal("its login is closed", await _opens(stage, leaver), False)
    stage.expect.equal("its data are kept", await checks.leftovers(stage, leaver.service_id), 2)
    stage.leap(rome(2027, 2, 4, 12, 0))
    await stage.until(
        "thirty days later, its reseller is notified that they are removed",
        lambda: _heard(stage, "vicino.service.removed.v1"),
    )
    stage.expect.equal("and nothing is left", await checks.leftovers(stage, leaver.service_id), 0)


async def _heard(stage: Stage, about: str) -> bool:
    return bool(stage.receivers.of(about))


async def _opens(stage: Stage, service: DemoService) -> bool:
    known = derive(secrecy.key_bytes(stage.stack.master_key), service.service_id)
    host = stage.stack.superuser_url.rsplit("@", 1)[1].split("/")[0]
    try:
        connection = await asyncpg.connect(
            f"postgresql://{known.role}:{known.password}@{host}/{known.database}"
        )
    except asyncpg.InvalidAuthorizationSpecificationError:
        return False
    await connection.close()
    return True
