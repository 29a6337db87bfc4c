"""Writes `services/<name>/schema.sql`: a service's tables as they are after all its migrations.

For readers only: nothing runs these files. `make schema-sql` writes them; a test compares them with the migrations.
"""

import asyncio
import re
import subprocess
import tempfile
from pathlib import Path
from secrets import token_urlsafe

from services.chassis.migrate import migrate
from services.local.home import CHECKOUT
from services.local.postgres import Postgres, programs
from services.local.roles import SERVICES, ensure_database, ensure_service, role_of

HEAD = (
    "-- Generated from the migrations by `make schema-sql`. Do not edit; nothing runs this file.\n"
)
NOISE = re.compile(r"^(SET |SELECT pg_catalog|\\(un)?restrict |--|CREATE SCHEMA )")


async def tables(superuser_url: str, database: str, service: str, password: str) -> str:
    """The tables, constraints and indexes of a service, made by its migrations in a new schema of a database.

    The password becomes that of the service's role, on the whole server.
    """
    url = superuser_url.rsplit("/", 1)[0] + f"/{database}"
    await ensure_service(url, database, service, password)
    own = url.replace(url.split("//", 1)[1].split("@", 1)[0], f"{role_of(service)}:{password}")
    await migrate(own, service, CHECKOUT / "services" / service / "migrations")
    return HEAD + _readable(await asyncio.to_thread(_dump, url, service))


def _dump(url: str, service: str) -> str:
    options = ["--schema-only", "--no-owner", "--no-privileges", "--schema", service]
    done = subprocess.run(
        [str(programs() / "bin" / "pg_dump"), *options, "--exclude-table", f"{service}.schema_migrations", url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.replace(f"{service}.", "")


def _readable(dump: str) -> str:
    kept = [line for line in dump.splitlines() if not NOISE.match(line)]
    return re.sub(r"\n{2,}", "\n\n", "\n".join(kept)).strip() + "\n"


async def write() -> None:
    """Write the file of every service."""
    with tempfile.TemporaryDirectory(prefix="vicino-tables-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        postgres = await Postgres.start(home / "postgres", log=home / "postgres.log")
        try:
            await ensure_database(postgres.superuser_url, "vicino")
            for service in SERVICES:
                text = await tables(postgres.superuser_url, "vicino", service, token_urlsafe())
                (CHECKOUT / "services" / service / "schema.sql").write_text(text, encoding="utf-8")
        finally:
            await postgres.stop()


if __name__ == "__main__":
    asyncio.run(write())
