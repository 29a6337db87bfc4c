"""`make faults`: every case, many times, each run with a seed of its own; a table, and benchmarks/results/faults.json."""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.cases import CASES
from tests.faults.verdict import Count
from tests.faults.world import Impossible, servers

RESULTS = Path(__file__).parents[2] / "benchmarks/results/faults.json"


async def campaign(runs: int, seed: int, only: str, console: Console) -> list[dict[str, object]]:
    """Run the cases; each on servers that survive from case to case, as they would."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="vicino-faults-") as folder:
        Path(folder).chmod(0o711)
        async with servers(Path(folder)) as on:
            for name, case in CASES.items():
                if only not in name:
                    continue
                found = []
                for n in range(runs):
                    with console.status(f"{name}: run {n + 1} of {runs} (seed {seed + n})"):
                        try:
                            found.append(await case(on, seed + n))
                        except Impossible as why:
                            console.print(f"  - {name}: {why}", highlight=False)
                            break
                if not found:
                    continue
                rows.append(_row(name, found))
                console.print(f"  {'✓' if all(c.clean for c in found) else '✗'} {name}", highlight=False)
    return rows


def _row(name: str, found: list[Count]) -> dict[str, object]:
    return {
        "fault": name, "runs": len(found), "lost": sum(c.lost for c in found), "doubled": sum(c.doubled for c in found),
        "wrong": sum(c.wrong for c in found),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each fault")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first run; run n uses seed + n")
    parser.add_argument("--only", default="", help="only faults whose name holds this text")
    options = parser.parse_args()
    console, began = Console(), time.monotonic()
    rows = asyncio.run(campaign(options.runs, options.seed, options.only, console))
    table = Table("fault", "runs", "lost", "doubled", "wrong", title=f"Faults, {time.monotonic() - began:.0f} s")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"seed": options.seed, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row["lost"] == row["doubled"] == row["wrong"] == 0 for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
