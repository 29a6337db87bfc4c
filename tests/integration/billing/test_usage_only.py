"""A plan that sells nothing by the month: what is used of it is billed, previewed and kept to its minimum like any other."""

import copy
from typing import Any

from services.billing.app import MIGRATIONS
from tests.integration.billing.scenario import (
    MAIL,
    START,
    STORAGE,
    TENANT,
    Scenario,
    activated,
    catalogue,
    day,
    issued,
    open_scenario,
    run_until,
    used,
)
from tests.integration.billing.test_audit import audited
from tests.support.catalogue import CATALOGUE


def usage_only() -> Any:
    """MAIL-STD without mailboxes: storage at 0.12, at least 1.00 a month."""
    content = copy.deepcopy(CATALOGUE)
    [plan] = [plan for plan in content["plans"] if plan["sku"] == "MAIL-STD"]
    [price] = [price for price in plan["usage"] if price["meter"] == STORAGE]
    plan["recurring"], plan["setup"] = [], "0"
    plan["usage"] = [
        {name: said for name, said in price.items() if not name.startswith("included")}
        | {"minimum": "1.00"}
    ]
    return content


async def nets(scenario: Scenario, boundary: str) -> list[str]:
    document = await issued(scenario, boundary)
    return [str(line.net) for line in document.lines] if document else []


async def test_what_is_used_of_a_plan_without_fees_is_billed(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await scenario.publish(catalogue(usage_only()))
        await scenario.publish(activated(MAIL, "MAIL-STD", 0, START))
        await scenario.publish(used("level", START, MAIL, STORAGE, quantity="100"))
        scenario.clock.set(day("2026-11-20"))
        await scenario.service.settled()
        status, preview = await scenario.post(f"/v1/tenants/{TENANT}/preview", {})
        assert status == 200
        assert [line["net"] for line in preview["documents"][0]["lines"]] == ["12.00"]
        await run_until(scenario, "2026-12-01")
        assert await nets(scenario, "2026-12-01") == ["12.00"]
        await scenario.publish(used("none", day("2026-12-01"), MAIL, STORAGE, quantity="0"))
        await run_until(scenario, "2027-01-01")
        assert await nets(scenario, "2027-01-01") == ["1.00"]
        assert await audited(scenario, compared=3, numbered=1) == []


async def test_a_service_that_an_earlier_build_did_not_bill_is_billed_by_the_next_run(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await scenario.publish(catalogue(usage_only()))
        await scenario.publish(activated(MAIL, "MAIL-STD", 0, START))
        await scenario.publish(used("level", START, MAIL, STORAGE, quantity="100"))
        await scenario.tamper("quantity_fact", "delete from quantity_fact")
        await run_until(scenario, "2026-12-01")
        assert await nets(scenario, "2026-12-01") == []
        up = (
            (MIGRATIONS / "0250_present.sql")
            .read_text(encoding="utf-8")
            .partition("-- migrate:down")[0]
        )
        for statement in up.split(";")[:-1]:
            await scenario.service.sql(statement)
        await run_until(scenario, "2027-01-01")
        assert await nets(scenario, "2027-01-01") == ["12.00", "12.00"]


async def test_a_price_of_a_meter_that_nobody_defined_comes_to_nothing_and_stops_no_run(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    """The door refuses it today; a catalogue of an earlier build may have it."""
    content = usage_only()
    [plan] = [plan for plan in content["plans"] if plan["sku"] == "MAIL-STD"]
    plan["usage"].append({**plan["usage"][0], "meter": "unheard_of", "code": "x", "minimum": None})
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await scenario.publish(catalogue(content))
        await scenario.publish(activated(MAIL, "MAIL-STD", 0, START))
        await scenario.publish(used("level", START, MAIL, STORAGE, quantity="100"))
        await run_until(scenario, "2026-12-01")
        assert await nets(scenario, "2026-12-01") == ["12.00"]
