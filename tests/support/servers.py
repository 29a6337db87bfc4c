"""The servers of a test run: one PostgreSQL and one Kafka, however many processes run tests.

`python -m tests.support.servers` starts both, prints where they are as one JSON line, and stops them when its standard
input ends: whoever holds the other end cannot leave them behind.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from services.local.kafka import Kafka
from services.local.postgres import Postgres


@dataclass(frozen=True)
class Addresses:
    """Where they are."""

    superuser_url: str
    bootstrap: str
    home: str
    """The folder that holds everything they keep."""


@contextmanager
def started() -> Iterator[Addresses]:
    """Both servers, for as long as the context lasts."""
    command = [sys.executable, "-m", "tests.support.servers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        # Leaving the context closes the other end of its standard input, and waits for its end.
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise RuntimeError("the servers of the test run did not start; see above")
        yield msgspec.json.decode(line, type=Addresses)


async def serve(home: Path) -> None:
    """Start both, say where, stop them when nobody holds standard input any more."""
    home.chmod(0o711)
    (home / "logs").mkdir()
    postgres = await Postgres.start(home / "postgres", log=home / "logs/postgres.log")
    kafka = await Kafka.start(home / "kafka")
    print(
        msgspec.json.encode(
            asdict(Addresses(postgres.superuser_url, kafka.bootstrap, str(home)))
        ).decode(),
        flush=True,
    )
    await asyncio.to_thread(sys.stdin.read)
    await asyncio.gather(kafka.stop(), postgres.stop())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="vicino-tests-", ignore_cleanup_errors=True) as folder:
        asyncio.run(serve(Path(folder)))
