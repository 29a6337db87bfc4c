"""May it be used? Below a hard cap yes, beyond it no; of a hundred who ask for the last unit at once, one gets it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.billing.scenario import (
    MAIL,
    STORAGE,
    TENANT,
    Scenario,
    activated,
    catalogue,
    day,
    open_scenario,
)
from tests.integration.billing.test_caps import CAPS, VOIP, cap, talk
from tests.support.catalogue import CATALOGUE

MAY, RESERVE = f"/v1/tenants/{TENANT}/may", f"/v1/tenants/{TENANT}/reserve"
MOBILE = {"service_id": VOIP, "meter": "minutes_mobile"}
"""0.045 a minute."""


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE))
        await found.publish(
            activated(VOIP, "VOIP-PBX", 0, extension="1"),
            activated(MAIL, "MAIL-STD", 1, mailbox="1", pec_mailbox="0"),
        )
        found.clock.set(day("2026-11-10"))
        yield found


def answered(found: Any) -> tuple[bool, str | None, str | None]:
    status, body = found if isinstance(found, tuple) else (200, found)
    assert status == 200, body
    return body["allowed"], body["reason"], body["remaining"]


async def test_what_fits_below_a_hard_cap_may_be_used(scenario: Scenario) -> None:
    assert answered(await scenario.get(MAY, **MOBILE)) == (True, None, None)
    assert await scenario.put(CAPS, cap(amount="9.00", hard=False)) == (204, None)
    assert answered(await scenario.get(MAY, **MOBILE)) == (True, None, None)
    assert await scenario.put(CAPS, cap(amount="9.00")) == (204, None)
    await talk(scenario, "m1", "150")
    assert answered(await scenario.get(MAY, **MOBILE, quantity="50")) == (True, None, "2.25")
    assert answered(await scenario.get(MAY, **MOBILE, quantity="51")) == (False, "cap_reached", "2.25")  # fmt: skip
    scenario.clock.set(day("2026-12-01", 1))
    assert answered(await scenario.get(MAY, **MOBILE, quantity="200")) == (True, None, "9.00")


async def test_of_many_who_ask_for_the_last_unit_at_once_one_gets_it(scenario: Scenario) -> None:
    assert await scenario.put(CAPS, cap(amount="9.00")) == (204, None)
    await talk(scenario, "m1", "190")
    asked = [scenario.post(RESERVE, {**MOBILE, "quantity": "10", "key": f"k{n}"}) for n in range(100)]  # fmt: skip
    found = [answered(one) for one in await asyncio.gather(*asked)]
    assert sorted(found) == [(False, "cap_reached", "0.00")] * 99 + [(True, None, "0.45")]
    [winner] = [n for n, one in enumerate(found) if one[0]]
    again = await scenario.post(RESERVE, {**MOBILE, "quantity": "10", "key": f"k{winner}"})
    assert answered(again) == (True, None, "0.45")


async def test_a_reservation_ends_and_its_key_means_one_question(scenario: Scenario) -> None:
    assert await scenario.put(CAPS, cap(amount="9.00")) == (204, None)
    body = {**MOBILE, "quantity": "200", "key": "call-1", "seconds": 30}
    assert answered(await scenario.post(RESERVE, body)) == (True, None, "9.00")
    assert answered(await scenario.get(MAY, **MOBILE)) == (False, "cap_reached", "0.00")
    status, problem = await scenario.post(RESERVE, {**body, "quantity": "1"})
    assert (status, problem["errors"][0]["pointer"], problem["errors"][0]["reason"]) == (
        422, "/key", "id_reuse",
    )  # fmt: skip
    scenario.clock.advance(timedelta(seconds=31))
    assert answered(await scenario.get(MAY, **MOBILE)) == (True, None, "9.00")
    scenario.clock.advance(timedelta(days=2))
    assert answered(await scenario.post(RESERVE, {**MOBILE, "key": "other"}))[0]
    assert answered(await scenario.post(RESERVE, {**body, "quantity": "1"}))[0]


@pytest.mark.parametrize(
    ("said", "pointer", "reason"),
    [
        ({"service_id": "99999999-1111-1111-1111-111111111111"}, "/service_id", "unknown_service"),
        ({"meter": "e_invoices"}, "/meter", "unknown_meter"),
        ({"service_id": MAIL, "meter": STORAGE}, "/meter", "wrong_value"),
        ({"quantity": "0"}, "/quantity", "bad_data"),
        ({"quantity": "-1"}, "/quantity", "bad_data"),
        ({"seconds": 3601}, "/seconds", "bad_data"),
        ({"key": ""}, "/key", "text"),
    ],
    ids=["no service", "no meter", "a level", "nothing", "less", "for ever", "no key"],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused(
    scenario: Scenario, said: dict[str, Any], pointer: str, reason: str
) -> None:
    status, problem = await scenario.post(RESERVE, {**MOBILE, "key": "k", **said})
    assert status == 422
    assert [(fault["pointer"], fault["reason"]) for fault in problem["errors"]] == [(pointer, reason)]  # fmt: skip
    assert (await scenario.get("/v1/tenants/nobody/may", **MOBILE))[0] == 404
    assert (await scenario.post("/v1/tenants/nobody/reserve", {**MOBILE, "key": "k"}))[0] == 404
