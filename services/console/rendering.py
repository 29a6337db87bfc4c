"""The operator's pages: server-rendered, no script, nothing from elsewhere."""

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.chassis import italian
from services.chassis.texts import one_line
from services.console.domain.acts import page_of

ROME = ZoneInfo("Europe/Rome")


def _moment(value: datetime | str | None) -> str:
    if value is None:
        return "-"
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{at.astimezone(ROME):%d\N{NO-BREAK SPACE}%b\N{NO-BREAK SPACE}%Y, %H:%M}"


def _spoken(wire_type: str) -> str:
    """An event's type as people say it: `vicino.alert.opened.v1` is `alert opened`."""
    return " ".join(wire_type.split(".")[1:-1])


def _one_line(value: Any) -> Any:
    """What a template shows: a text from outside stays on its line. Numbers and markup are ours."""
    return one_line(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def environment() -> Environment:
    """The templates. Everything is escaped; an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_one_line,
    )
    made.filters.update(
        amount=italian.amount,
        quantity=italian.quantity,
        day=italian.day,
        moment=_moment,
        spoken=_spoken,
    )
    made.globals["page_of"] = page_of
    return made


def bars(rows: list[tuple[str, Decimal]]) -> list[dict[str, Any]]:
    """Horizontal bars for a small plot: label, value, length in percent of the longest."""
    top = max((value for _, value in rows), default=Decimal(0)) or Decimal(1)
    return [
        {"label": label, "value": value, "percent": max(0, round(100 * value / top))}
        for label, value in rows
    ]
