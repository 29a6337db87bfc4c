"""How soon `vicino up` is up, and what each process holds when nothing happens."""

import tempfile
from pathlib import Path

import psutil

from benchmarks.report import Row, median
from services.local.home import Home
from services.local.stack import Stack

STARTS = 3
MIB = 1024 * 1024


async def run() -> list[Row]:
    """Start-up seconds (first and later), resident memory of each service idle."""
    seconds = []
    with tempfile.TemporaryDirectory(prefix="vicino-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        rows: list[Row] = []
        for n in range(STARTS + 1):
            async with Home(Path(folder) / "home") as home, Stack(home) as stack:
                seconds.append(stack.started_in_seconds)
                if n == STARTS:
                    rows = [
                        Row.of(
                            f"{name}, idle, MiB", psutil.Process(child.pid).memory_info().rss / MIB
                        )
                        for name, child in stack.services.items()
                    ]
    return [
        Row.of("vicino up, first start, s", seconds[0]),
        Row.of("vicino up, later starts, s", median(seconds[1:])),
        *rows,
    ]
