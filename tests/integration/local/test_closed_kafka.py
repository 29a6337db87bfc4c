"""A stack's Kafka is closed, also in a home whose Kafka was open, and its operator gets rejects in again."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.topics import SIGNALS, TOPICS
from services.chassis.admin import ensure_topics
from services.local.access import OPERATOR
from services.local.home import CHECKOUT, Home
from services.local.kafka import Kafka
from services.local.stack import Stack

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
WAIT_SECONDS = 60.0


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that PostgreSQL can reach as a user of its own, with no servers named that are there already."""
    for name in ("VICINO_POSTGRES_URL", "VICINO_KAFKA_BOOTSTRAP"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path_factory.mktemp("closed")
    folder.chmod(0o711)
    return folder / "home"


async def vicino(*arguments: str, home: Home, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", *arguments, cwd=CHECKOUT,
        env={**os.environ, "VICINO_HOME": str(home.path), "COLUMNS": "200", **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def send(to: AIOKafkaProducer, value: bytes) -> None:
    async with to:
        await to.send_and_wait(SIGNALS.name, value, key=b"k", partition=0)


async def listed(home: Home, dsn: str, wanted: int) -> str:
    """The list of rejects, once there are so many."""
    said = "nothing yet"
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                code, said = await vicino(
                    "rejects", "list", "monitoring", "--settled", home=home, VICINO_POSTGRES_URL=dsn
                )
                assert code == 0, said
                if said.count(SIGNALS.name) == wanted:
                    return said
    except TimeoutError:
        pytest.fail(f"waited for {wanted} rejects, of which were listed:\n{said}")


async def test_a_home_whose_kafka_was_open_is_closed_and_goes_on(short: Path) -> None:
    async with Home(short) as home:
        before = await Kafka.start(home.path / "kafka", logs=home.path / "logs")
        await ensure_topics(before.bootstrap, TOPICS)
        await send(AIOKafkaProducer(bootstrap_servers=before.bootstrap), b"of the open days")
        home.remember("ports", before.ports)
        await before.stop()
        async with Stack(home, services=["monitoring"]) as stack:
            assert await listed(home, stack.url_of("monitoring"), 1)
            stranger = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap, request_timeout_ms=3_000)
            with pytest.raises(KafkaError):
                await stranger.start()
            await stranger.stop()
            reader = AIOKafkaConsumer(**stack.kafka_login("monitoring").aiokafka())
            async with reader:
                assert await reader.end_offsets([TopicPartition(SIGNALS.name, 0)]) == {
                    TopicPartition(SIGNALS.name, 0): 1
                }


async def test_rejects_are_sent_again_with_the_login_of_people_and_with_no_services(
    short: Path,
) -> None:
    async with Home(short) as home, Stack(home, services=["monitoring"]) as stack:
        await send(AIOKafkaProducer(**stack.kafka_login(OPERATOR).aiokafka()), b"not json")
        dsn = {"VICINO_MONITORING_URL": stack.url_of("monitoring")}
        await listed(home, dsn["VICINO_MONITORING_URL"], 1)
        logins = {}
        for who in ("monitoring", OPERATOR, "admin"):
            code, said = await vicino("kafka-login", who, home=home)
            assert code == 0, said
            logins[who] = dict(line.split("=", 1) for line in said.splitlines())
        replay = ("rejects", "replay", "monitoring", "--id", "1")
        code, said = await vicino(*replay, home=home, **dsn, **logins["monitoring"])
        assert (code, "use the operator's" in said, "Traceback" in said) == (1, True, False), said
        code, said = await vicino(*replay, home=home, **dsn, **logins[OPERATOR])
        assert (code, said.strip()) == (0, "1 records were sent again.")
        await listed(home, dsn["VICINO_MONITORING_URL"], 2)
        code, said = await vicino("topics", "apply", home=home, **logins["admin"])
        assert (code, said.strip()) == (0, "0 topics made; the others were there.")
        code, said = await vicino("topics", "apply", home=home, **logins[OPERATOR])
        assert (code, said.startswith("Vicino cannot go on:"), "Traceback" in said) == (
            1,
            True,
            False,
        ), said
