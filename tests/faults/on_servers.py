"""Faults of servers: PostgreSQL stopped, cut off, read-only, its disk full; Kafka killed and paused."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import asyncpg

from services.local.roles import role_of
from tests.faults.servers import Impossible, Servers, as_superuser
from tests.faults.verdict import Count
from tests.faults.world import EVENTS, NAME, Case, finish, world

DISK_MB = 96
RETRIES = "vicino_engine_slice_retries_total"


async def postgres_stopped(on: Servers, seed: int, wait_for_disk: bool) -> Count:
    """PostgreSQL stopped at once, and started again, twice; with and without slices that wait for its disk."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0", VICINO_USAGE_WAIT_FOR_DISK=str(wait_for_disk))
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.02))
        for _ in range(2):
            await asyncio.sleep(case.dice.uniform(0.5, 1.5))
            await on.postgres.stop_immediately()
            await asyncio.sleep(case.dice.uniform(0.1, 1.0))
            await on.postgres.launch()
        await sending
        return await finish(case)


async def connections_cut(on: Servers, seed: int) -> Count:
    """Connections to PostgreSQL are cut, and statements cancelled, in the middle of whatever they do."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.02))
        while not sending.done():
            await asyncio.sleep(case.dice.uniform(0.05, 0.4))
            what = case.dice.choice(("pg_terminate_backend", "pg_cancel_backend"))
            await as_superuser(
                on.postgres,
                f"select {what}(pid) from pg_stat_activity where usename = '{role_of(NAME)}' order by random() limit 2",
            )
        return await finish(case)


async def read_only(on: Servers, seed: int) -> Count:
    """PostgreSQL takes no writes for a while: nothing is consumed, nothing is lost, and work goes on by itself."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        await case.send(EVENTS // 3)
        await case.settle()
        await _let_write(on, False)
        try:
            await case.send(EVENTS // 3)
            await case.until_metric(RETRIES)
        finally:
            await _let_write(on, True)
        await case.send(EVENTS // 3)
        return await finish(case)


async def _let_write(on: Servers, allowed: bool) -> None:
    setting = "off" if allowed else "on"
    connection = await asyncpg.connect(on.postgres.superuser_url)
    try:
        await connection.execute("set default_transaction_read_only = off")
        await connection.execute(f"alter system set default_transaction_read_only = {setting}")
        await connection.execute("select pg_reload_conf()")
    finally:
        await connection.close()


async def disk_full(on: Servers, seed: int) -> Count:
    """The disk of the database is full, until somebody makes room."""
    async with _small_disk(on) as disk, world(on, seed, tablespace=disk.name) as case:
        await case.start_worker(instance="0")
        await case.send(EVENTS // 3)
        await case.settle()
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(65_536))
        await case.send(EVENTS)
        await case.until_metric(RETRIES, "DiskFullError")
        ballast.unlink()
        return await finish(case)


@asynccontextmanager
async def _small_disk(on: Servers) -> AsyncIterator[Path]:
    """A file system of its own, small, as a tablespace."""
    disk = on.home / f"disk{os.urandom(4).hex()}"
    place = disk / "data"
    disk.mkdir()
    if os.geteuid() != 0 or _command(
        "mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0711", "tmpfs", str(disk)
    ):
        raise Impossible("only root can mount a small disk")
    try:
        place.mkdir(mode=0o700)
        owner = on.postgres.data.stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        await as_superuser(on.postgres, f"create tablespace {disk.name} location '{place}'")
        yield disk
        await as_superuser(on.postgres, f"drop tablespace {disk.name}")
    finally:
        _command("umount", "-l", str(disk))


def _command(*words: str) -> int:
    return subprocess.run(words, capture_output=True, check=False).returncode


async def kafka_killed(on: Servers, seed: int) -> Count:
    """The broker killed with -9, and started again."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.02))
        await asyncio.sleep(case.dice.uniform(0.8, 2.0))
        await on.kafka.kill(1)
        await on.kafka.start_node(1)
        await on.kafka.wait_ready()
        await sending
        return await finish(case)


async def kafka_paused(on: Servers, seed: int) -> Count:
    """The broker stands still for longer than a session, and goes on as if nothing had been."""
    async with world(on, seed) as case:
        await case.start_worker(instance="0")
        sending = asyncio.create_task(case.send(EVENTS, pace_seconds=0.02))
        await asyncio.sleep(case.dice.uniform(0.8, 2.0))
        on.kafka.pause(1)
        await asyncio.sleep(case.dice.uniform(2.0, 8.0))
        on.kafka.resume(1)
        await sending
        return await finish(case)


CASES: dict[str, Case] = {
    "PostgreSQL stopped and started": partial(postgres_stopped, wait_for_disk=True),
    "PostgreSQL stopped and started, synchronous_commit off": partial(
        postgres_stopped, wait_for_disk=False
    ),
    "connections to PostgreSQL cut, statements cancelled": connections_cut,
    "PostgreSQL read-only": read_only,
    "the disk of PostgreSQL full": disk_full,
    "Kafka killed with -9 and started": kafka_killed,
    "Kafka paused and resumed": kafka_paused,
}
