"""Random lives of a service: whatever is ordered and cancelled while its back-end fails, facts, tables and back-end agree."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from schemas import identity
from schemas.envelope import Event
from schemas.orders import OrderCancelRequested, OrderPlaced
from schemas.tenants import (
    OrderCancelled,
    OrderCompleted,
    OrderFailed,
    ServiceChanged,
    ServiceResumed,
    ServiceSuspended,
)
from schemas.topics import TENANTS
from tests.integration.onboarding.ordering import served
from tests.integration.onboarding.scenario import NOW, Scenario, event

ORDERS = 30
RETRY = """
update job set state = 'waiting', attempt = 0, first_tried_at = null, failing_since = null where id = any($1::uuid[])
"""
OPEN = "select 1 from service_order where state not in ('completed', 'failed', 'cancelled')"


def asked(chance: Random, service_id: str) -> dict[str, Any]:
    action = chance.choice(["change", "change", "suspend", "resume"])
    named = {"action": action, "service_id": service_id}
    if action == "change":
        named["quantities"] = {"mailbox": str(chance.randrange(1, 90))}  # type: ignore[assignment]
    return named


@dataclass
class Told:
    """What the facts about one service add up to."""

    quantities: dict[str, Decimal]
    states: list[tuple[datetime, str]] = field(default_factory=list)
    did: set[str | None] = field(default_factory=set)
    """Orders by which something changed."""
    ended: Counter[str] = field(default_factory=Counter)
    in_vain: set[str] = field(default_factory=set)
    """Orders that failed or were cancelled."""

    @property
    def state(self) -> str:
        """By when each counts, as billing and monitoring have it; of two of one instant the last one holds."""
        return sorted(self.states, key=lambda one: one[0])[-1][1] if self.states else "active"

    def hear(self, fact: Any) -> None:
        match fact:
            case ServiceChanged():
                self.quantities = dict(fact.quantities)
                self.did.add(fact.order_id)
            case ServiceSuspended() | ServiceResumed():
                self.states.append((fact.effective_at, str(fact.state)))
                self.did.add(fact.order_id)
            case OrderCompleted():
                self.ended[fact.order_id] += 1
            case OrderFailed() | OrderCancelled():
                self.ended[fact.order_id] += 1
                self.in_vain.add(fact.order_id)
            case _:
                pass


def flip(scenario: Scenario, chance: Random, tenant: str, seed: int) -> None:
    """The back-end works, or is out of order: it refuses for good in some lives, loses its answers in others."""
    scenario.backend.broken_for.clear()
    scenario.backend.lossy_for.clear()
    if chance.random() < 0.4:
        scenario.backend.broken_for[tenant] = chance.choice([503, 422] if seed % 2 else [503])
    elif chance.random() < 0.3 and not seed % 2:
        scenario.backend.lossy_for.add(tenant)


@pytest.mark.parametrize("seed", range(4))
async def test_facts_tables_and_back_end_agree_in_the_end(scenario: Scenario, seed: int) -> None:
    (active,) = await served(scenario, "MAIL-STD")
    chance, service_id = Random(seed), active.data.service_id
    for n in range(ORDERS):
        later = timedelta(seconds=chance.choice([0, 0, 0, 40, 400]))
        data = {
            "reference": f"R{n}", "items": [asked(chance, service_id)],
            "effective_at": scenario.clock.now() + later if later else None,
        }  # fmt: skip
        one: Event[Any] = event(active.subject, OrderPlaced.model_validate(data), f"life-{n}")
        await scenario.service.publish(one)
        if chance.random() < 0.3:
            order_id = identity.order_id(one.subject, one.source, one.id)
            cancel = OrderCancelRequested(order_id=order_id)
            await scenario.service.publish(event(active.subject, cancel, f"cancel-{n}"))
        flip(scenario, chance, active.subject, seed)
        scenario.clock.advance(timedelta(seconds=chance.randrange(40)))
        await asyncio.sleep(chance.random() / 20)

    async def all_ended() -> bool:
        flip(scenario, chance, active.subject, seed)
        if scenario.clock.now() > NOW + timedelta(hours=1):
            scenario.backend.broken_for.clear()
        scenario.clock.advance(timedelta(seconds=30))
        await scenario.service.wake()
        orders = await scenario.service.sql("select 1 from service_order")
        return len(orders) == ORDERS + 1 and not await scenario.service.sql(OPEN)

    await scenario.service.eventually(all_ended)
    scenario.backend.broken_for.clear()
    scenario.backend.lossy_for.clear()
    # What a back-end refused to take back waits for a person, who has it tried again.
    failed = await scenario.service.sql("select id from job where state = 'failed'")
    await scenario.service.sql(RETRY, [row["id"] for row in failed])
    scenario.clock.advance(timedelta(hours=1))
    await scenario.service.settled()
    told = Told(dict(active.data.quantities))
    for fact in await scenario.service.all_on(TENANTS):
        told.hear(fact.data)
    assert len(told.ended) == ORDERS + 1, "every order ends"
    assert set(told.ended.values()) == {1}, "and once"
    assert not told.did & told.in_vain, "what came to nothing changed nothing"
    (row,) = await scenario.service.sql("select state, quantities from service_instance")
    held = scenario.backend.services[service_id]
    assert row["state"] == told.state == held.get("state", "active")
    mailboxes = str(told.quantities["mailbox"])
    assert row["quantities"]["mailbox"] == mailboxes == held["quantities"]["mailbox"]
