"""A minimum goes by the day on which the service was there, is previewed as it is billed, and is corrected by late usage."""

import copy
from decimal import Decimal
from typing import Any

from tests.integration.billing.scenario import (
    MAIL,
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


def with_minimum() -> Any:
    """MAIL-STD costs at least 6.00 a month for storage, and at most 8.00."""
    content = copy.deepcopy(CATALOGUE)
    [plan] = [plan for plan in content["plans"] if plan["sku"] == "MAIL-STD"]
    [price] = [price for price in plan["usage"] if price["meter"] == STORAGE]
    price |= {"minimum": "6.00", "maximum": "8.00"}
    return content


async def storage(scenario: Scenario, boundary: str) -> list[tuple[str, str]]:
    document = await issued(scenario, boundary)
    assert document is not None, f"no invoice of {boundary}"
    return [
        (line.description.rpartition(" - ")[2], str(line.net))
        for line in document.lines
        if line.sku.startswith("MAIL-STD/") and "mailbox" not in line.sku
    ]


async def test_a_minimum_is_billed_by_the_day_and_taken_back_by_late_usage(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix, day("2026-11-15")) as scenario:
        await scenario.publish(catalogue(with_minimum()))
        await scenario.publish(
            activated(MAIL, "MAIL-STD", 0, day("2026-11-16"), mailbox="1", pec_mailbox="0")
        )
        scenario.clock.set(day("2026-11-25"))
        await scenario.service.settled()
        preview = await scenario.post(f"/v1/tenants/{TENANT}/preview", {})
        await run_until(scenario, "2026-12-01")
        assert await storage(scenario, "2026-12-01") == [("integrazione al minimo", "3.00")]
        assert preview[0] == 200
        [document] = preview[1]["documents"]
        assert "3.00" in [line["net"] for line in document["lines"]]
        await scenario.publish(used("late", day("2026-11-20"), MAIL, STORAGE, quantity="5000"))
        await run_until(scenario, "2027-01-01")
        billed = await storage(scenario, "2027-01-01")
        assert sum(Decimal(net) for _, net in billed) == Decimal("13.00"), billed
        assert await audited(scenario, compared=5, numbered=1) == []
