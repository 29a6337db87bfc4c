"""Plays a folder of worked examples through billing: `python -m tests.vectors DIR`.

Prints expected against actual, a line each, and a count at the end; ends with 1 if one differs. Of the folder, `lives.json`
and `rules.json` are read; other files are ignored.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

from tests.support.databases import fresh_database
from tests.support.servers import Addresses, started
from tests.vectors import rules
from tests.vectors.player import Compared, play


async def of_lives(file: Path, servers: Addresses) -> AsyncIterator[tuple[str, Compared]]:
    """Each thing that the lives of a file expect."""
    for life in json.loads(file.read_text(encoding="utf-8"))["lives"]:
        async with fresh_database(servers.superuser_url) as database:
            for one in await play(life, database, servers.bootstrap, f"v{uuid4().hex[:8]}."):
                yield life["id"], one


async def run(folder: Path, servers: Addresses) -> int:
    """Play everything; returns how many differ."""
    agreed = differed = 0

    def tell(name: str, one: Compared) -> None:
        nonlocal agreed, differed
        agreed, differed = agreed + one.agrees, differed + (not one.agrees)
        word = "agrees " if one.agrees else "DIFFERS"
        print(f"{word} {name}: {one.what}: expected {one.expected}, actual {one.actual}")

    if (file := folder / "rules.json").exists():
        for one in rules.compared(json.loads(file.read_text(encoding="utf-8"))):
            tell("rules", one)
    if (file := folder / "lives.json").exists():
        async for name, one in of_lives(file, servers):
            tell(name, one)
    print(f"{agreed} agree, {differed} differ")
    return differed


def main() -> None:
    """Read the folder's name, start the servers, play."""
    parser = argparse.ArgumentParser(prog="make vectors DIR=folder", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    if not any((folder / name).exists() for name in ("lives.json", "rules.json")):
        sys.exit(
            f"{folder} has no lives.json and no rules.json: give the folder of the vectors, DIR=..."
        )
    logging.disable(logging.WARNING)
    with started() as servers:
        sys.exit(1 if asyncio.run(run(folder, servers)) else 0)


if __name__ == "__main__":
    main()
