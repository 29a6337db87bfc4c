"""`make bench` or `make bench-NAME`: run benchmarks on servers of their own."""

import argparse
import asyncio
import logging
import tempfile
from pathlib import Path
from uuid import uuid4

from rich.console import Console

from benchmarks import engine, footprint, isolation, relay
from benchmarks.gateway import bench as gateway
from benchmarks.gateway import soak
from benchmarks.invoicing import bench as invoicing
from benchmarks.metering import bench as metering
from benchmarks.metering import growth
from benchmarks.report import publish
from services.local.roles import ensure_database
from tests.faults.servers import servers

ON_SERVERS = {
    "engine": engine.run,
    "gateway": gateway.run,
    "relay": relay.run,
    "metering": metering.run,
    "growth": growth.run,
    "invoicing": invoicing.run,
    "isolation": isolation.run,
    "soak": soak.run,
}
ALONE = {"footprint": footprint.run}
LONG = {"growth", "soak"}
"""Only when asked for by name."""

POSTGRES = {"growth": {"shared_buffers": "6GB", "max_wal_size": "16GB", "wal_compression": "off"}}
"""Where the embedded defaults are not what is measured: an index of some gigabytes wants memory."""


async def play(names: list[str], console: Console) -> None:
    """Run the named benchmarks."""
    for name in [name for name in names if name in ON_SERVERS]:
        with tempfile.TemporaryDirectory(
            prefix="vicino-bench-", ignore_cleanup_errors=True
        ) as folder:
            Path(folder).chmod(0o711)
            async with servers(Path(folder), postgres_settings=POSTGRES.get(name)) as on:
                database = f"bench_{uuid4().hex[:8]}"
                await ensure_database(on.postgres.superuser_url, database)
                url = on.postgres.superuser_url.rsplit("/", 1)[0] + f"/{database}"
                with console.status(f"{name} ..."):
                    rows = await ON_SERVERS[name](on, url)
        publish(name, rows, console)
    for name in [name for name in names if name in ALONE]:
        with console.status(f"{name} ..."):
            rows = await ALONE[name]()
        publish(name, rows, console)


def main() -> int:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        help=f"of {', '.join([*ON_SERVERS, *ALONE])}; all but {', '.join(sorted(LONG))} if none",
    )
    names = parser.parse_args().names or [
        name for name in (*ON_SERVERS, *ALONE) if name not in LONG
    ]
    if unknown := set(names) - ON_SERVERS.keys() - ALONE.keys():
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    asyncio.run(play(names, Console()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
