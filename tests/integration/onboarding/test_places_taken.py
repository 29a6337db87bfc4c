"""A reseller's places are those of its tenants that are served or wait, whatever becomes of their orders."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from schemas.envelope import Event
from schemas.orders import AssignmentDecided, OrderPlaced, OrderReviewed, Review
from schemas.tenants import OrderHeld, ServiceActivated
from tests.integration.onboarding.scenario import NEAR, Scenario, event, opened, order
from tests.integration.onboarding.test_senders import OWN, by

OTHER = "VAR-OTHER"
FIRMS = 6
SENDERS = ("operator", OWN, OTHER, "VAR-STRANGER")
SKUS = ("ERP-CLOUD", "MAIL-STD", "NO-SUCH-SKU")
ENDED = "select count(*) as n from service_order where state in ('acknowledged', 'in_progress')"


@pytest.fixture
async def street(
    database: str, bootstrap: str, superuser_url: str, topic_prefix: str
) -> AsyncIterator[Scenario]:
    """Two resellers with little room, senders with a small quota, and back-ends that refuse half the firms."""
    quota = {"quota_firms_per_day": 2, "quota_services_per_day": 5, "quota_services_in_progress": 3}
    async with opened(database, bootstrap, superuser_url, topic_prefix, **quota) as scenario:
        await scenario.know({**NEAR, "capacity": 2}, {**NEAR, "id": OTHER, "capacity": 1})
        yield scenario


class Story:
    """Orders, and decisions about those that wait for a person."""

    def __init__(self, street: Scenario, seed: int) -> None:
        self.street, self.chance, self.n = street, Random(seed), 0

    def an_order(self) -> Event[Any]:
        self.n += 1
        firm = self.chance.randrange(FIRMS)
        placed = order(
            f"F{firm}", 0, *self.chance.choices(SKUS, (5, 3, 2), k=self.chance.randint(1, 2))
        )
        if firm % 2:
            self.street.backend.refused_tenants.add(placed.subject)
        if self.chance.random() < 0.2:
            placed = replace(placed, data=from_nowhere(placed.data))
        return by(self.chance.choice(SENDERS), replace(placed, id=f"o-{self.n}"))

    async def a_decision(self) -> Event[Any] | None:
        self.n += 1
        held = await self.street.service.sql(
            "select id, tenant_id from service_order where state = 'held' order by id"
        )
        if not held:
            return None
        one = self.chance.choice(held)
        decided: Any = AssignmentDecided(reseller_id=self.chance.choice((OWN, OTHER)))
        if self.chance.random() < 0.7:
            decided = OrderReviewed(
                order_id=one["id"], review=self.chance.choice(list(Review)), reason="we rang them"
            )
        return event(one["tenant_id"], decided, f"d-{self.n}")

    async def tell(self, steps: int) -> None:
        """Some at once, some one after the other."""
        for _ in range(steps):
            said = [self.an_order() for _ in range(self.chance.randint(1, 3))]
            decided = await self.a_decision()
            await self.street.service.publish(*said, *([decided] if decided else []))
            if self.chance.random() < 0.6:
                await self.street.service.settled()
            self.street.clock.advance(timedelta(seconds=self.chance.choice((0, 1, 3600))))
        await self.street.service.eventually(self.has_ended)

    async def has_ended(self) -> bool:
        """Whether every order has come to its end, or waits for a person."""
        self.street.clock.advance(timedelta(minutes=5))
        await self.street.service.settled()
        return bool((await self.street.service.sql(ENDED))[0]["n"] == 0)


def from_nowhere(data: OrderPlaced) -> OrderPlaced:
    assert data.tenant is not None
    address = data.tenant.address.model_copy(update={"comune": "Nowhere-in-Italy"})
    return data.model_copy(update={"tenant": data.tenant.model_copy(update={"address": address})})


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_becomes_of_orders_the_places_taken_are_those_of_tenants_served_or_waiting(
    street: Scenario, seed: int
) -> None:
    story = Story(street, seed)
    await story.tell(steps=12)
    service = street.service
    served = {fact.subject for fact in await service.published(ServiceActivated)}
    waits = {
        row["tenant_id"]
        for row in await service.sql("select tenant_id from service_order where state = 'held'")
    }
    placed = {
        row["id"]: row["reseller_id"]
        for row in await service.sql("select id, reseller_id from tenant")
    }
    assert {tenant for tenant, reseller in placed.items() if reseller} <= served | waits
    assert served <= {tenant for tenant, reseller in placed.items() if reseller}
    taken = {
        row["id"]: row["assigned"] for row in await service.sql("select id, assigned from reseller")
    }
    assert taken == {name: list(placed.values()).count(name) for name in (OWN, OTHER)}
    assert await service.published(OrderHeld), "the story holds no order: it says too little"
