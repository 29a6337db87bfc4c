"""What official CloudEvents SDKs send is understood: times as they write them, binary mode as they send it."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import cloudevents.core.bindings.http as http
import cloudevents.core.v1.event as core
import pytest

from schemas.signals import HeartbeatReceived
from schemas.topics import SIGNALS
from tests.integration.gateway.world import World, tenant_of
from tests.support.skips import installed

SENDERS = Path(__file__).parents[2] / "sdks"
"""One folder for each language: a program that sends an event in each mode, and its lock."""

BUILD_SECONDS_MAX = 300

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
@pytest.mark.parametrize(
    "content_type", [None, "application/json"], ids=["without a content type", "as JSON"]
)
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
    (found,) = [
        event for event in await served.gateway.published(HeartbeatReceived) if event.id == id_
    ]
    digits = (
        TIMES[name].partition(".")[2].rstrip("zZ").partition("+")[0][:6]
        if "." in TIMES[name]
        else ""
    )
    assert found.time.microsecond == int(digits.ljust(6, "0") or 0)
    assert found.data.topic is SIGNALS


@pytest.mark.parametrize("mode", ["to_binary_event", "to_structured_event"])
async def test_the_official_python_sdk_is_understood(served: World, mode: str) -> None:
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


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of a sender with the JavaScript SDK, installed from its lock."""
    node, npm = installed("node", "npm")
    folder = copied("node", tmp_path_factory)
    done([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    return [node, str(folder / "send.mjs")]


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of a sender with the Go SDK, built from its lock."""
    (compiler,) = installed("go")
    folder = copied("go", tmp_path_factory)
    done([compiler, "build", "-mod=readonly", "-o", "send", "."], folder)
    return [str(folder / "send")]


def copied(language: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sender's folder, where it may be built."""
    return shutil.copytree(SENDERS / language, tmp_path_factory.mktemp("sdk") / language)


def done(command: list[str], folder: Path) -> str:
    """What a command writes; fails with its error."""
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False
    )
    assert ended.returncode == 0, f"{command} failed: {ended.stderr}"
    return ended.stdout


@pytest.mark.timeout(2 * BUILD_SECONDS_MAX)
@pytest.mark.parametrize("language", ["javascript", "go"])
async def test_the_official_sdks_of_other_languages_are_understood(
    served: World, language: str, request: pytest.FixtureRequest
) -> None:
    sender = request.getfixturevalue(language)
    about = [
        tenant_of("A"),
        served.services["A"],
        served.clock.now().isoformat().replace("+00:00", "Z"),
    ]
    command = [*sender, f"{served.gateway.url}/v1/events", served.keys["VAR-A"], *about]
    answers = json.loads(await asyncio.to_thread(done, command, Path.cwd()))
    assert {mode: answer["status"] for mode, answer in answers.items()} == {
        "binary": 202,
        "structured": 202,
    }, answers
    published = {event.id for event in await served.gateway.published(HeartbeatReceived)}
    assert {answer["id"] for answer in answers.values()} <= published
