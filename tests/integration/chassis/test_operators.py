"""What an operator does from the command line, on a real schema."""

import asyncio
import json
import os
import sys
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from services.chassis.migrate import migrate
from services.chassis.rejects import replay
from services.chassis.settings import ServiceSettings
from tests.integration.chassis.test_life import MIGRATIONS
from tests.support.databases import PASSWORD
from tests.support.running import settings_for


async def vicino(*arguments: str, url: str) -> tuple[int, str]:
    return await run(*arguments, VICINO_POSTGRES_URL=url, COLUMNS="80")


async def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """A command with some settings of its own: how it ended, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", *arguments, env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@pytest.fixture
async def url(database: str, bootstrap: str, topic_prefix: str) -> str:
    """The DSN of a service's own role, whose schema is there."""
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    await migrate(settings.postgres_url, "monitoring", MIGRATIONS)
    return settings.postgres_url


async def test_failed_jobs_are_listed_and_tried_again_and_no_others(url: str) -> None:
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


async def test_a_password_that_is_wrong_is_reported_in_a_line(url: str) -> None:
    code, said = await vicino("rejects", "list", "monitoring", url=url.replace(PASSWORD, "hunter2"))
    assert (code, said.count("\n"), "hunter2" in said) == (1, 1, False)
    assert said.startswith("Vicino cannot go on: password authentication failed")


async def test_a_reject_says_whose_it_was_and_is_settled_by_a_reason(url: str) -> None:
    said = {
        "specversion": "1.0", "id": "beat-1", "source": "/portal", "type": "vicino.heartbeat.received.v1",
        "subject": str(uuid4()), "time": "2026-11-20T10:00:00Z", "data": {}, "principal": "VAR-A",
    }  # fmt: skip
    db = await asyncpg.connect(url)
    for offset, raw in enumerate((json.dumps(said).encode(), b"\xff not json", None)):
        await db.execute(
            'insert into reject (topic, part, log_id, "offset", reason, detail, raw)'
            " values ('signals.v1', 2, 'log', $1, 'bad_data', 'x', $2)",
            offset, raw,
        )  # fmt: skip
    code, text = await vicino("rejects", "list", "monitoring", "--json", url=url)
    rows = json.loads(text)
    assert (code, len(rows)) == (0, 3)
    [known] = [row for row in rows if row["sender"]]
    assert [known[name] for name in ("sender", "tenant", "source", "event", "place")] == [
        "VAR-A", said["subject"], "/portal", "beat-1", "signals.v1/2/0",
    ]  # fmt: skip
    dismiss = ("rejects", "dismiss", "monitoring", "--id", str(known["id"]))
    code, text = await vicino(*dismiss, "--reason", " ", url=url)
    assert (code, "say why" in text) == (2, True)
    answers = [await vicino(*dismiss, "--reason", "a test of ours", url=url) for _ in range(2)]
    assert answers == [
        (0, "1 of 1 were not settled before, and are now.\n"),
        (0, "0 of 1 were not settled before, and are now.\n"),
    ]
    for more, count in (((), 2), (("--settled",), 3)):
        code, text = await vicino("rejects", "list", "monitoring", "--json", *more, url=url)
        assert (code, len(json.loads(text))) == (0, count)
    assert {row["dismissed"] for row in json.loads(text)} == {None, "a test of ours"}
    code, text = await vicino("rejects", "list", "monitoring", url=url)
    assert (code, "bad_data" in text) == (0, True)
    with pytest.raises(KafkaConnectionError):  # nothing that is settled is sent: nobody is asked
        await replay(url, "monitoring", [rows[0]["id"]], None, "127.0.0.1:9")
    assert await replay(url, "monitoring", [known["id"]], None, "127.0.0.1:9") == 0
    await db.close()
