"""`make faults`: every case, many times, each run with a seed of its own.

Prints a table, writes benchmarks/results/faults.json after every fault, so that a campaign that is stopped keeps what it found,
and, when it was the whole campaign, docs/reliability.md.
"""

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from jinja2 import Template
from rich.console import Console
from rich.table import Table

from tests.faults.cases import BY_BROKERS, CASES
from tests.faults.servers import Impossible, Servers, servers
from tests.faults.verdict import REST_SECONDS, Count
from tests.faults.world import Case

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks/results/faults.json"
PAGE = Path(__file__).with_name("reliability.md.j2")
REPORT = ROOT / "docs/reliability.md"

RUN_SECONDS = 300.0
"""A run that takes longer stands still somewhere; the longest takes two minutes. It counts as wrong, and the next begins."""


@dataclass(frozen=True)
class Row:
    """What came of one fault."""

    fault: str
    runs: int
    lost: int
    doubled: int
    wrong: int
    rest_seconds: float
    """The longest of its runs from the last event and the last fault until nothing was left to do."""

    @classmethod
    def of(cls, fault: str, found: list[Count]) -> "Row":
        """All its runs together."""
        total = sum(found, Count())
        rest = round(total.rest_seconds, 1)
        return cls(fault, len(found), total.lost, total.doubled, total.wrong, rest)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled or wrong, and every run came to rest in time."""
        return self.lost == self.doubled == self.wrong == 0 and self.rest_seconds <= REST_SECONDS


async def campaign(runs: int, seed: int, only: str, console: Console) -> list[Row]:
    """Run the cases; each on servers that survive from case to case, as they would."""
    rows: list[Row] = []
    others = json.loads(RESULTS.read_text("utf-8"))["rows"] if only else []
    for nodes, cases in BY_BROKERS.items():
        wanted = {name: case for name, case in cases.items() if only in name}
        if not wanted:
            continue
        with tempfile.TemporaryDirectory(
            prefix="vicino-faults-", ignore_cleanup_errors=True
        ) as folder:
            Path(folder).chmod(0o711)
            async with servers(Path(folder), nodes) as on:
                for name, case in wanted.items():
                    if found := await _runs(name, case, on, range(seed, seed + runs), console):
                        rows.append(Row.of(name, found))
                        write(rows, seed, others)
                        console.print(f"  {'✓' if rows[-1].clean else '✗'} {name}", highlight=False)
    return rows


async def _runs(name: str, case: Case, on: Servers, seeds: range, console: Console) -> list[Count]:
    found: list[Count] = []
    for n, seed in enumerate(seeds, 1):
        with console.status(f"{name}: run {n} of {len(seeds)} (seed {seed})"):
            try:
                async with asyncio.timeout(RUN_SECONDS):
                    found.append(await case(on, seed))
            except TimeoutError:
                found.append(Count(wrong=1))
            except Impossible as why:
                console.print(f"  - {name}: {why}", highlight=False)
                return []
        if not found[-1].clean:
            console.print(f"  ✗ {name}, seed {seed}: {found[-1]}", highlight=False)
    return found


def write(rows: list[Row], seed: int, others: list[dict[str, object]]) -> None:
    """Keep what was found so far; of `others`, what is kept of faults that are not tried, their rows stay as they were."""
    fresh = {row.fault: asdict(row) for row in rows}
    stay = {str(row["fault"]): row for row in others if row["fault"] in CASES}
    merged = {**stay, **fresh}
    ordered = [merged[name] for name in CASES if name in merged]
    RESULTS.write_text(json.dumps({"seed": seed, "rows": ordered}, indent=1) + "\n", "utf-8")


def _print(rows: list[Row], seconds: float, console: Console) -> None:
    table = Table(
        "fault", "runs", "lost", "doubled", "wrong", "rest (s)", title=f"Faults, {seconds:.0f} s"
    )
    for row in rows:
        table.add_row(*(str(value) for value in asdict(row).values()))
    console.print(table)


def _about(case: Case) -> str:
    """What a case does, in its own words."""
    told = (case.func if isinstance(case, partial) else case).__doc__ or ""
    return " ".join(told.split())


def report(rows: list[Row], seed: int, seconds: float) -> str:
    """The campaign as a page."""
    totals = {
        name: sum(getattr(row, name) for row in rows)
        for name in ("runs", "lost", "doubled", "wrong")
    }
    slowest = max(row.rest_seconds for row in rows)
    return str(Template(PAGE.read_text(encoding="utf-8"), keep_trailing_newline=True).render(
        rows=rows, about={row.fault: _about(CASES[row.fault]) for row in rows}, seed=seed, minutes=round(seconds / 60),
        day=f"{datetime.now(UTC):%d %B %Y}", slowest=slowest, **totals,
    ))  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each fault")
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the first run; run n uses seed + n"
    )
    parser.add_argument("--only", default="", help="only faults whose name holds this text")
    options = parser.parse_args()
    console, began = Console(), time.monotonic()
    rows = asyncio.run(campaign(options.runs, options.seed, options.only, console))
    seconds = time.monotonic() - began
    _print(rows, seconds, console)
    if not options.only:
        REPORT.write_text(report(rows, options.seed, seconds), encoding="utf-8")
    return 0 if rows and all(row.clean for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
