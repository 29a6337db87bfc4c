"""`vicino clock`: the time of a stack whose clock is in one's hand."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from services.chassis.clock import SteeredClock, steer
from services.cli.shared import HomeOption, console
from services.local.home import CLOCK_FILE, Home, default_home
from services.local.play import cannot_go_on

clock_app = typer.Typer(
    no_args_is_help=True, help="The time of a stack of `vicino play`: look, and move it on."
)

ROME = ZoneInfo("Europe/Rome")
MORNING = time(9)
_STEP = re.compile(r"\+([0-9]{1,5})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def instant_of(said: str, now: datetime) -> datetime:
    """What a person means by a day (9 in the morning, Rome), a time (Rome, unless it names a zone) or a step (`+2d`).

    Raises `ValueError`.
    """
    if step := _STEP.fullmatch(said):
        return now + int(step[1]) * _UNITS[step[2]]
    found = datetime.fromisoformat(said)
    if len(said) == len("2026-12-03"):
        found = datetime.combine(found, MORNING)
    return (found if found.tzinfo else found.replace(tzinfo=ROME)).astimezone(UTC)


def _clock(home: HomeOption) -> tuple[Home, SteeredClock]:
    folder = Home(home or default_home())
    file = folder.path / CLOCK_FILE
    if not folder.is_running() or not file.exists():
        cannot_go_on(
            f"no stack with a clock of its own runs in {folder.path}: `vicino play` starts one, and names its folder"
        )
    return folder, SteeredClock(file)


def now_in(home: HomeOption) -> datetime:
    """The time that a stack goes by: its own, if it has a clock of its own."""
    file = (home or default_home()) / CLOCK_FILE
    return SteeredClock(file).now() if file.exists() else datetime.now(UTC)


def _print(at: datetime) -> None:
    console.print(f"{at.astimezone(ROME):%A %d %B %Y, %H:%M} in Rome", highlight=False)


@clock_app.command("show")
def clock_show(home: HomeOption = None) -> None:
    """What time it is there."""
    _print(_clock(home)[1].now())


@clock_app.command("set")
def clock_set(
    to: Annotated[
        str, typer.Argument(help="2026-12-03, 2026-12-03T18:30, an RFC 3339 time, or a step: +30m, +2h, +3d.")
    ],
    home: HomeOption = None,
) -> None:  # fmt: skip
    """Make it that time for every service. What is due by then happens: invoices, reminders, escalations."""
    folder, clock = _clock(home)
    try:
        instant = instant_of(to, clock.now())
    except (ValueError, OverflowError):
        raise typer.BadParameter("a day, a time or a step like +2d", param_hint="TO") from None
    if instant < clock.now():
        cannot_go_on("a clock never goes back: invoices would be issued twice")
    steer(folder.path / CLOCK_FILE, instant)
    _print(clock.now())
