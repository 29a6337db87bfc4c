"""A service's life: two may start at once, a stop is quick, and it waits for servers that are not there yet."""

import asyncio
import os
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from pydantic import ValidationError

from schemas.signals import HeartbeatReceived
from services.chassis.engine import client
from services.chassis.engine.records import on, routes
from services.chassis.migrate import MigrationFailed, migrate, migrated_pool
from services.chassis.service import INBOX_DAYS, PRUNE_ROWS_MAX, Service, prune
from services.chassis.settings import ServiceSettings
from services.local.ports import free_port
from tests.integration.chassis.test_engine_smoke import beat, heartbeat
from tests.support.forwarding import forwarding
from tests.support.running import running, settings_for

MIGRATIONS = Path(__file__).parent / "migrations"
ROOT = Path(__file__).parents[3]
STOP_SECONDS_MAX = 15


async def test_two_copies_may_migrate_at_once(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    await asyncio.gather(
        *(migrate(settings.postgres_url, "monitoring", MIGRATIONS) for _ in range(3))
    )


async def test_a_stop_in_the_middle_of_work_is_quick_and_loses_nothing(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    service = Service(
        "monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat))
    )
    async with running(service) as first:
        await first.publish(*(heartbeat(n) for n in range(3000)))
        began = time.monotonic()
    assert time.monotonic() - began < STOP_SECONDS_MAX
    async with running(service) as second:
        await second.settled()
        counted = await second.sql("select count(*) as n, max(n) as most from effect")
    assert tuple(counted[0]) == (3000, 1)


async def test_a_service_starts_its_consumers_at_the_first_attempt(
    database: str, bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    warned: list[str] = []
    monkeypatch.setattr(client.log, "warning", lambda message, **_: warned.append(message))
    service = Service(
        "monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat))
    )
    async with running(service) as first:
        await first.publish(heartbeat(1))
        await first.settled()
    assert warned == []


async def test_a_ready_service_shows_its_metrics(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    service = Service(
        "monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat))
    )
    async with running(service) as at_work, aiohttp.ClientSession() as session:
        for path, wanted in (
            ("/healthz", "alive"),
            ("/readyz", "ready"),
            ("/metrics", "vicino_engine_slice_seconds"),
        ):
            async with session.get(at_work.inside + path) as answer:
                assert (answer.status, wanted in await answer.text()) == (200, True)


async def test_a_service_waits_for_servers_that_are_not_there_yet(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    doors = free_port(), free_port()
    server = settings.postgres_url.split("@")[1].split("/")[0]
    there = settings.model_copy(
        update={
            "postgres_url": settings.postgres_url.replace(server, f"127.0.0.1:{doors[0]}"),
            "kafka_bootstrap": f"127.0.0.1:{doors[1]}",
        }
    )
    service = Service("monitoring", there, MIGRATIONS, routes=routes(on(HeartbeatReceived, beat)))

    async def life() -> None:
        async with running(service) as late:
            await late.publish(heartbeat(1))
            await late.settled()

    living = asyncio.create_task(life())
    assert not (await asyncio.wait({living}, timeout=0.6))[0]
    async with forwarding(doors[0], server):
        assert not (await asyncio.wait({living}, timeout=0.6))[0]
        async with forwarding(doors[1], bootstrap):
            await living


async def test_a_migration_that_the_database_refuses_ends_the_start_with_its_reason(
    database: str, bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "0100_bad.sql").write_text("-- migrate:up\nselect nonsense;\n-- migrate:down\n")
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    with pytest.raises(MigrationFailed, match="nonsense"):
        await migrated_pool(settings.postgres_url, "monitoring", tmp_path, 2)


async def test_a_service_that_still_waits_for_its_database_can_be_told_to_stop(
    tmp_path: Path,
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    told = {
        "VICINO_POSTGRES_URL": f"postgresql://x:x@{nowhere}/x",
        "VICINO_KAFKA_BOOTSTRAP": nowhere,
        "VICINO_HTTP_PORT": str(free_port()),
        "VICINO_INSIDE_PORT": str(free_port()),
        "VICINO_OPERATOR_TOKEN": "operator-for-tests",
        "VICINO_MASTER_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "serve", "monitoring", env={**os.environ, **told},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(STOP_SECONDS_MAX):
        while b"not there yet" not in await process.stdout.readline():
            pass
        process.terminate()
        assert await process.wait() == 3


@pytest.mark.parametrize("taken", ["VICINO_HTTP_PORT", "VICINO_INSIDE_PORT"])
async def test_a_port_that_is_in_use_ends_the_start_with_its_name(taken: str) -> None:
    neighbour = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    nowhere = f"127.0.0.1:{free_port()}"
    told = {
        "VICINO_POSTGRES_URL": f"postgresql://x:x@{nowhere}/x", "VICINO_KAFKA_BOOTSTRAP": nowhere,
        "VICINO_HTTP_PORT": str(free_port()), "VICINO_INSIDE_PORT": str(free_port()),
        "VICINO_OPERATOR_TOKEN": "operator-for-tests",
        taken: str(neighbour.sockets[0].getsockname()[1]),
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        "serve",
        "console",
        env={**os.environ, **told},
        stdout=asyncio.subprocess.PIPE,
    )
    async with neighbour, asyncio.timeout(2 * STOP_SECONDS_MAX):
        said, _ = await process.communicate()
    assert process.returncode == 3
    assert f"{taken}: cannot listen at 127.0.0.1:{told[taken]}" in said.decode()


def test_the_two_ports_are_never_one() -> None:
    with pytest.raises(
        ValidationError, match="VICINO_HTTP_PORT and VICINO_INSIDE_PORT must differ"
    ):
        ServiceSettings(postgres_url="postgresql://x", kafka_bootstrap="x", http_port=9464)


DYING = """
from services.chassis.service import Service, run
from services.chassis.settings import ServiceSettings
from tests.integration.chassis.test_engine_smoke import MIGRATIONS

async def die(runtime):
    raise ValueError("by design")

run(Service("monitoring", ServiceSettings(), MIGRATIONS, background=(die,)))
"""


async def test_a_process_whose_background_task_dies_says_so_and_ends(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    told = {
        "VICINO_POSTGRES_URL": settings.postgres_url,
        "VICINO_KAFKA_BOOTSTRAP": bootstrap,
        "VICINO_HTTP_PORT": str(free_port()),
        "VICINO_INSIDE_PORT": str(free_port()),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        DYING,
        env={**os.environ, **told},
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    async with asyncio.timeout(2 * STOP_SECONDS_MAX):
        said, _ = await process.communicate()
    assert b"a background task ended" in said
    assert process.returncode != 0


async def test_ids_beyond_the_inboxs_window_are_dropped_past_those_that_somebody_holds(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    pool = await migrated_pool(settings.postgres_url, "monitoring", MIGRATIONS, 2)
    async with pool.acquire() as db, pool.acquire() as other, other.transaction():
        for days, n in ((INBOX_DAYS - 1, 7), (INBOX_DAYS + 1, 2 * PRUNE_ROWS_MAX + 5)):
            await db.execute(
                "insert into inbox select gen_random_uuid(), 0, now() - make_interval(days => $1) from generate_series(1, $2)",
                days, n,
            )  # fmt: skip
        await other.execute(
            "select 1 from inbox where seen_at < now() - interval '90 days' limit 3 for update"
        )
        await prune(db)
        assert await db.fetchval("select count(*) from inbox") == 7 + 3
    await pool.close()
