"""What official CloudEvents SDKs send is understood: times as they write them, binary mode as they send it."""

from typing import Any
from uuid import uuid4

import pytest

from schemas.signals import HeartbeatReceived
from schemas.topics import SIGNALS
from tests.integration.gateway.world import World, tenant_of

TIMES = {
    "Go, nanoseconds": "2026-11-10T08:59:59.123456789Z",
    ".NET, seven digits and an offset": "2026-11-10T09:59:59.1234567+01:00",
    "Java, nine digits with zeros": "2026-11-10T08:59:59.123456000Z",
    "JavaScript, milliseconds": "2026-11-10T08:59:59.123Z",
    "one digit": "2026-11-10T08:59:59.1Z",
    "lower case": "2026-11-10t08:59:59.123456z",
    "no fraction": "2026-11-10T08:59:59-00:00",
}


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("content_type", [None, "application/json"], ids=["without a content type", "as JSON"])
async def test_a_binary_event_is_taken_with_any_rfc_3339_time(
    served: World, name: str, content_type: str | None
) -> None:
    id_ = str(uuid4())
    headers = {
        "ce-specversion": "1.0", "ce-id": id_, "ce-source": "/sdk", "ce-type": "vicino.heartbeat.received.v1",
        "ce-time": TIMES[name], "ce-subject": tenant_of("A"),
    }  # fmt: skip
    headers |= {"content-type": content_type} if content_type else {}
    body = f'{{"service_id": "{served.services["A"]}"}}'.encode()
    async with served.session.post(
        f"{served.gateway.url}/v1/events", data=body, skip_auto_headers=["content-type"],
        headers={"authorization": f"Bearer {served.keys['VAR-A']}", **headers},
    ) as answer:  # fmt: skip
        assert answer.status == 202, await answer.text()
    (found,) = [event for event in await served.gateway.published(HeartbeatReceived) if event.id == id_]
    digits = TIMES[name].partition(".")[2].rstrip("zZ").partition("+")[0][:6] if "." in TIMES[name] else ""
    assert found.time.microsecond == int(digits.ljust(6, "0") or 0)
    assert found.data.topic is SIGNALS


@pytest.mark.parametrize("mode", ["to_binary_event", "to_structured_event"])
async def test_the_official_python_sdk_is_understood(served: World, mode: str) -> None:
    http: Any = pytest.importorskip("cloudevents.core.bindings.http")
    core: Any = pytest.importorskip("cloudevents.core.v1.event")
    attributes = {
        "type": "vicino.heartbeat.received.v1", "source": "/python", "id": str(uuid4()), "specversion": "1.0",
        "subject": tenant_of("A"), "time": served.clock.now(),
    }  # fmt: skip
    event = core.CloudEvent(attributes, {"service_id": served.services["A"]})
    message = getattr(http, mode)(event)
    async with served.session.post(
        f"{served.gateway.url}/v1/events", data=message.body, skip_auto_headers=["content-type"],
        headers={"authorization": f"Bearer {served.keys['VAR-A']}", **message.headers},
    ) as answer:  # fmt: skip
        assert answer.status == 202, await answer.text()
