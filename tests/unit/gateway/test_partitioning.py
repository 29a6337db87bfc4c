"""A tenant's events stand in one partition, in their order; a very large tenant's usage stands in all of them."""

from datetime import UTC, datetime

from schemas.envelope import Event, Payload
from schemas.signals import HeartbeatReceived
from schemas.usage import UsageRecorded
from services.gateway.domain.partitioning import SPREAD, key_of

TENANT, SERVICE = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
USED = UsageRecorded.model_validate({"service_id": SERVICE, "meter": "m", "quantity": "1"})


def event(n: int, data: Payload = USED) -> Event[Payload]:
    return Event(f"e{n}", "/test", data.wire_type, TENANT, datetime(2026, 11, 1, tzinfo=UTC), data)


def test_a_tenant_is_its_own_key() -> None:
    assert {key_of(event(n), frozenset()) for n in range(100)} == {TENANT.encode()}


def test_the_usage_of_a_very_large_tenant_has_many_keys_and_an_event_always_the_same() -> None:
    keys = [key_of(event(n), {TENANT}) for n in range(3000)]
    assert len(set(keys)) == SPREAD
    assert keys == [key_of(event(n), {TENANT}) for n in range(3000)]


def test_what_must_stay_in_order_is_not_spread() -> None:
    assert key_of(event(1, HeartbeatReceived(service_id=SERVICE)), {TENANT}) == TENANT.encode()
