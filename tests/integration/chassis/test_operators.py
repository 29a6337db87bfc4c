"""What an operator does from the command line, on a real schema."""

import asyncio
import os
import sys
from uuid import uuid4

import asyncpg

from services.chassis.migrate import migrate
from services.chassis.settings import ServiceSettings
from tests.integration.chassis.test_life import MIGRATIONS
from tests.support.databases import PASSWORD
from tests.support.running import settings_for


async def vicino(*arguments: str, url: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", *arguments, env={**os.environ, "VICINO_POSTGRES_URL": url, "COLUMNS": "80"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_failed_jobs_are_listed_and_tried_again_and_no_others(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    url = (
        await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    ).postgres_url
    await migrate(url, "monitoring", MIGRATIONS)
    db = await asyncpg.connect(url)
    failed, waiting = uuid4(), uuid4()
    for job, state in ((failed, "failed"), (waiting, "waiting")):
        await db.execute(
            "insert into job (id, kind, key, args, run_at, state, attempt, last_error)"
            " values ($1, 'call', $3, '{}', now(), $2, 5, '[red] ' || repeat('no answer ', 20))",
            job, state, str(job),
        )  # fmt: skip
    code, said = await vicino("jobs", "list", "monitoring", url=url)
    assert (code, str(failed) in said, str(waiting) in said) == (0, True, False)
    assert "[red]" in said
    code, said = await vicino("jobs", "retry", "monitoring", str(failed), str(waiting), url=url)
    assert (code, said.strip()) == (0, "1 of 2 failed and will be tried again.")
    assert [tuple(row) for row in await db.fetch("select state, attempt from job order by attempt")] == [
        ("waiting", 0), ("waiting", 5),
    ]  # fmt: skip
    await db.close()


async def test_a_password_that_is_wrong_is_told_in_a_line(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    url = (
        await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    ).postgres_url
    code, said = await vicino("rejects", "list", "monitoring", url=url.replace(PASSWORD, "hunter2"))
    assert (code, said.count("\n"), "hunter2" in said) == (1, 1, False)
    assert said.startswith("Vicino cannot go on: password authentication failed")
