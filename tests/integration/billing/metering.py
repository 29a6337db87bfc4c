"""A tenant whose usage is metered: three meters, one service, and how to ask what was counted."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from schemas.envelope import Event
from tests.integration.billing.scenario import (
    ERP,
    START,
    TENANT,
    Scenario,
    activated,
    catalogue,
    open_scenario,
    used,
)

NOVEMBER = (date(2026, 11, 1), date(2026, 12, 1))
OTHER_TENANT = "44444444-4444-4444-4444-444444444444"


def meter(key: str, aggregation: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "name": key, "aggregation": aggregation, "unit": "n", **more}


def offer(*meters: dict[str, Any], also: str = "extra") -> dict[str, Any]:
    """A catalogue with some meters, and one plan that prices them and one more."""
    keys = [*(found["key"] for found in meters), also]
    prices = [
        {"meter": key, "code": key, "label": key, "unit": "n", "price": "0.01"} for key in keys
    ]
    plan = {
        "sku": "X", "name": "X", "setup": "0", "recurring": [], "usage": prices, "provisioning": [{"driver": "http"}],
    }  # fmt: skip
    return {
        "valid_from": "2026-01-01T00:00:00Z",
        "currency": "EUR",
        "meters": meters,
        "plans": [plan],
    }


CALLS = meter("calls", "sum")
DOCUMENTS = meter("documents", "unique_count")
LEVEL = meter("level", "time_weighted", decimals=6)


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    """Three meters, and a service that began with November; it is ten o'clock on the first of the month."""
    async with open_scenario(
        database, bootstrap, topic_prefix, at=START + timedelta(hours=10)
    ) as found:
        await found.publish(catalogue(offer(CALLS, DOCUMENTS, LEVEL)))
        await found.publish(activated(ERP, "X"))
        yield found


def call(event_id: str, minutes: float = 1, **more: Any) -> Event[Any]:
    return used(
        event_id, START + timedelta(minutes=minutes), **{"meter": "calls", "quantity": "1", **more}
    )


async def counted(scenario: Scenario, key: str = "calls") -> int:
    """How many events there are in a meter's buckets."""
    found = await scenario.service.sql(
        "select coalesce(sum(n), 0)::int as n from meter_bucket join series on no = series_no where meter = $1",
        key,
    )
    return int(found[0]["n"])


async def total(
    scenario: Scenario, key: str = "calls", first: str = "2026-11-01", after: str = "2026-12-01"
) -> str:
    """What the API says of a meter."""
    found = await scenario.get(
        f"/v1/tenants/{TENANT}/usage", **{"from": first, "to": after, "meter": key}
    )
    return str(found[0]["quantity"])
