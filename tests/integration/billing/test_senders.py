"""An event's name is its sender's own: nobody else's usage counts for it, hides it, or comes from a tenant lost."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.envelope import Event
from schemas.tenants import TenantAssigned
from services.billing.app import BillingSettings
from services.billing.metering.arrivals import read
from services.billing.metering.keys import as_bigint
from tests.integration.billing.metering import CALLS, LEVEL, NOVEMBER, offer, total
from tests.integration.billing.scenario import (
    ERP,
    START,
    TENANT,
    Scenario,
    activated,
    catalogue,
    fact,
    open_scenario,
    used,
)
from tests.support.before import home_of_before, usage_key
from tests.support.running import settings_for

OTHER_TENANT, OTHER_SERVICE = (
    "44444444-4444-4444-4444-444444444444",
    "55555555-5555-5555-5555-555555555555",
)


def call(event_id: str, principal: str | None, quantity: str = "1", **more: Any) -> Event[Any]:
    return replace(
        used(event_id, START + timedelta(minutes=5), meter="calls", quantity=quantity, **more),
        principal=principal,
    )


def assigned(reseller_id: str, n: int, tenant: str = TENANT) -> Event[Any]:
    data = {"reseller_id": reseller_id, "distance_km": "1.0", "score": "1", "ranking": []}
    return fact(TenantAssigned.model_validate(data), f"assigned-{n}", tenant)


async def open_trade(scenario: Scenario) -> None:
    await scenario.publish(catalogue(offer(CALLS, LEVEL)))
    await scenario.publish(activated(ERP, "X"), assigned("VAR-A", 1))


@pytest.mark.parametrize(
    "senders",
    [("VAR-A", "erp"), ("erp", "VAR-A"), ("erp", "operator"), ("erp", None), (None, "erp")],
    ids=lambda senders: " then ".join(map(str, senders)),
)
async def test_two_senders_with_one_source_and_id_are_both_counted(
    database: str, bootstrap: str, topic_prefix: str, senders: tuple[str | None, str | None]
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await open_trade(scenario)
        first, second = call("u1", senders[0], "1"), call("u1", senders[1], "10")
        await scenario.publish(first)
        await scenario.publish(second)
        await scenario.publish(first, second)
        assert await scenario.account() == {("counted", ""): 2, ("duplicate", ""): 2}
        assert await total(scenario) == "11"
        await scenario.publish(call("u1", senders[1], "7"))
        assert (await scenario.account())[("rejected", "id_reuse")] == 1
        assert await scenario.differences(*NOVEMBER) == []


async def test_one_sender_with_one_source_and_id_at_two_tenants_is_counted_at_both(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await open_trade(scenario)
        await scenario.publish(activated(OTHER_SERVICE, "X", tenant=OTHER_TENANT))
        await scenario.publish(
            call("u1", "erp"), call("u1", "erp", tenant=OTHER_TENANT, service_id=OTHER_SERVICE)
        )
        assert await scenario.account() == {("counted", ""): 2}


async def test_usage_let_in_for_a_tenant_that_became_anothers_is_never_counted(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await open_trade(scenario)
        await scenario.publish(call("u1", "VAR-A"))
        await scenario.publish(assigned("VAR-B", 2))
        await scenario.publish(
            call("u2", "VAR-A"), call("u2", "VAR-B", "10"), call("u2", "erp", "100")
        )
        assert await scenario.account() == {("counted", ""): 3, ("rejected", "not_yours"): 1}
        assert await total(scenario) == "111"
        (reject,) = await scenario.service.sql("select reason, detail from reject")
        assert tuple(reject) == ("not_yours", "the tenant is another reseller's")


async def test_usage_that_waited_for_its_service_is_judged_by_whose_tenant_it_is_then(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await scenario.publish(catalogue(offer(CALLS)))
        await scenario.publish(assigned("VAR-A", 1), call("u1", "VAR-A"))
        assert await scenario.account() == {("parked", ""): 1}
        await scenario.publish(assigned("VAR-B", 2))
        await scenario.publish(activated(ERP, "X"))
        assert await scenario.account() == {("rejected", "not_yours"): 1}


async def test_what_was_counted_before_principals_were_part_of_keys_is_known_in_every_generation(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(BillingSettings, "billing", database, bootstrap, topic_prefix)
    counted = {generation: call(f"old-{generation}", "VAR-A") for generation in (1, 2)}
    async with home_of_before("billing", settings) as db:
        for generation, event in counted.items():
            await db.execute(
                f"create table usage_key_{generation} (event_key uuid primary key, payload_hash bigint not null)"
            )
            await db.execute(
                "insert into key_generation (no, started_at) values ($1, $2)", generation, START
            )
            said = as_bigint(read(event.encode(), 0).payload_hash)
            await db.execute(
                f"insert into usage_key_{generation} values ($1, $2)", usage_key(event), said
            )
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await open_trade(scenario)
        await scenario.publish(*counted.values())
        assert await scenario.account() == {("duplicate", ""): 2}
        # Nobody knows who sent it: whoever sends it again counts as that sender, and other content is refused.
        await scenario.publish(
            replace(counted[1], principal="erp"), call("old-2", "erp", "3"), call("new", "erp")
        )
        assert await scenario.account() == {
            ("duplicate", ""): 3,
            ("rejected", "id_reuse"): 1,
            ("counted", ""): 1,
        }


async def test_levels_of_before_are_added_up_again_as_they_were_counted(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await open_trade(scenario)
        event = replace(
            used("l1", START + timedelta(minutes=5), meter="level", quantity="4"), principal="VAR-A"
        )
        await scenario.publish(event)
        assert await scenario.differences(*NOVEMBER) == []
        # As an earlier build would have left it.
        await scenario.service.sql(
            "update usage_block set with_principal = false, log_no = null, offsets = null"
        )
        await scenario.service.sql('update meter_level set "order" = $1', usage_key(event).bytes)
        assert await scenario.differences(*NOVEMBER) == []
