"""Rows of a benchmark: printed as a table, written as JSON, and kept as history."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `ratio` is ours over the other; `goal` is the ratio, or the figure, that is wanted."""

    work: str
    ours: float
    against: str
    other: float | None
    ratio: float | None
    goal: str

    @classmethod
    def of(
        cls, work: str, ours: float, against: str = "-", other: float | None = None, goal: str = "-"
    ) -> "Row":
        """A row with its ratio worked out."""
        return cls(
            work,
            round(ours, 3),
            against,
            other and round(other, 3),
            round(ours / other, 3) if other else None,
            goal,
        )


def median(values: Sequence[float]) -> float:
    """The middle of several runs."""
    return float(statistics.median(values))


def publish(name: str, rows: Sequence[Row], console: Console) -> None:
    """Print, write `results/NAME.json`, and add to `results/history/NAME.jsonl`."""
    table = Table("work", "ours", "against", "other", "ratio", "goal", title=name)
    for row in rows:
        other = "-" if row.other is None else f"{row.other:,.1f}"
        table.add_row(
            row.work,
            f"{row.ours:,.1f}",
            row.against,
            other,
            "-" if row.ratio is None else f"{row.ratio:.2f}",
            row.goal,
        )
    console.print(table)
    (RESULTS / "history").mkdir(parents=True, exist_ok=True)
    found = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": [asdict(row) for row in rows],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    with (RESULTS / "history" / f"{name}.jsonl").open("a", encoding="utf-8") as history:
        history.write(json.dumps(found) + "\n")
