"""What is asked of meters at the edges of the calendar, or beyond all bounds, is refused, and says why."""

import pytest

from services.billing.usecases import query_usage
from tests.integration.billing.metering import call, meter, offer
from tests.integration.billing.scenario import (
    ERP,
    TENANT,
    Scenario,
    activated,
    catalogue,
    open_scenario,
)

BAD: dict[str, tuple[str, dict[str, str], int]] = {
    "from year 1": ("usage", {"from": "0001-01-01", "to": "2026-11-02"}, 422),
    "from year 1 by day": ("usage", {"from": "0001-01-01", "to": "2026-11-02", "by": "day"}, 422),
    "to year 9999 by hour": ("usage", {"from": "2026-11-01", "to": "9999-12-31", "by": "hour"}, 422),
    "300 years by the hour": ("usage", {"from": "1800-01-01", "to": "2100-01-01", "by": "hour"}, 422),
    "no such day": ("usage", {"from": "2026-02-30", "to": "2026-11-02"}, 422),
    "the year 10000": ("usage", {"from": "2026-11-01", "to": "10000-01-01"}, 422),
    "to before from": ("usage", {"from": "2026-11-02", "to": "2026-11-01"}, 422),
    "an unknown meter": ("usage", {"from": "2026-11-01", "to": "2026-11-02", "meter": "unheard"}, 404),
    "a meter with NUL": ("usage", {"from": "2026-11-01", "to": "2026-11-02", "meter": "a\x00"}, 400),
    "an unknown group": ("usage", {"from": "2026-11-01", "to": "2026-11-02", "group_by": "unheard"}, 422),
    "a group of no meter asked for": (
        "usage", {"from": "2026-11-01", "to": "2026-11-02", "meter": "plain", "group_by": "region"}, 422
    ),
    "the first hour, in the east": ("usage/events", {"hour": "0001-01-01T00:00:00+14:00"}, 422),
    "the last hour": ("usage/events", {"hour": "9999-12-31T23:59:59Z"}, 422),
    "the last hour, in the west": ("usage/events", {"hour": "9999-12-31T23:59:59-14:00"}, 422),
    "an hour without a zone": ("usage/events", {"hour": "2026-11-01T00:00:00"}, 422),
    "events of an unknown meter": ("usage/events", {"hour": "2026-11-01T00:00:00Z", "meter": "unheard"}, 404),
}  # fmt: skip


async def test_bounds_are_told_and_nothing_is_worked_out_before(
    database: str, bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await scenario.publish(
            catalogue(offer(meter("calls", "sum", group_by=["region"]), meter("plain", "sum")))
        )
        await scenario.publish(activated(ERP, "X"))
        await scenario.publish(*(call(f"u{n}", dimensions={"region": f"r{n}"}) for n in range(4)))
        for name, (path, params, status) in BAD.items():
            answer = await scenario.get(f"/v1/tenants/{TENANT}/{path}", **params)
            assert isinstance(answer, tuple), name
            assert (answer[0], answer[1]["status"]) == (status, status), name
        await _groups_are_counted_first(scenario, monkeypatch)
        day = {"from": "2026-10-25", "to": "2026-10-26", "by": "hour", "meter": "calls"}
        assert len(await scenario.get(f"/v1/tenants/{TENANT}/usage", **day)) == 25


async def _groups_are_counted_first(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"from": "2026-11-01", "to": "2026-11-11", "by": "day", "meter": "calls"}
    monkeypatch.setattr(query_usage, "VALUES_MAX", 39)
    assert len(await scenario.get(f"/v1/tenants/{TENANT}/usage", **asked)) == 10
    status, problem = await scenario.get(f"/v1/tenants/{TENANT}/usage", **asked, group_by="region")
    assert (status, "39" in problem["detail"]) == (422, True)
