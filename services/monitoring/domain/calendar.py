"""Business time: deadlines count only the open minutes of the reseller's calendar.

Before opening counts from opening; exactly at closing time starts the next working day. Holidays: Italy's, and the
local patron of the reseller's provincia. Civil time throughout, so a night of a clock change shifts nothing by day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays

ROME = ZoneInfo("Europe/Rome")
OPENS, CLOSES = time(9), time(18)
"""The hours of the Base tier, Monday to Friday."""

WORKING_DAY_MINUTES = (CLOSES.hour - OPENS.hour) * 60 + CLOSES.minute - OPENS.minute
HORIZON_DAYS = 366
"""Beyond this, a calendar that is never open is a mistake."""

PATRONS = {
    "MI": ((12, 7),), "TO": ((6, 24),), "RM": ((6, 29),), "NA": ((9, 19),), "MO": ((1, 31),), "BO": ((10, 4),),
    "BG": ((8, 26),), "BA": ((12, 6),), "CT": ((2, 5),), "PO": ((12, 26),),
}  # fmt: skip
"""Patron days (month, day) by provincia; BZ has Whit Monday, which moves with Easter."""

WHIT_MONDAY_AFTER_EASTER_MONDAY_DAYS = 49


@dataclass(frozen=True, slots=True)
class Calendar:
    """Opening hours of working days in a provincia."""

    provincia: str
    opens: time = OPENS
    closes: time = CLOSES
    weekdays: frozenset[int] = frozenset(range(5))
    zone: ZoneInfo = ROME

    def is_working_day(self, day: date) -> bool:
        """Whether the calendar opens on a day."""
        return day.weekday() in self.weekdays and day not in _holidays(self.provincia, day.year)

    def windows(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Opening windows from an instant on, the first one cut. Instants in UTC."""
        day = start.astimezone(self.zone).date()
        for n in range(HORIZON_DAYS):
            current = day + timedelta(days=n)
            if self.is_working_day(current):
                opens, closes = (
                    datetime.combine(current, at, self.zone).astimezone(UTC)
                    for at in (self.opens, self.closes)
                )
                if start < closes:
                    yield max(start, opens), closes

    def after(self, start: datetime, minutes: int) -> datetime:
        """The instant at which so many open minutes have passed since `start`."""
        left = timedelta(minutes=minutes)
        for opens, closes in self.windows(start.astimezone(UTC)):
            if left <= closes - opens:
                return opens + left
            left -= closes - opens
        raise ValueError(f"the calendar of {self.provincia} does not open often enough")

    def next_working_day_end(self, start: datetime) -> datetime:
        """Closing time of the next working day after the civil day of `start`."""
        tomorrow = datetime.combine(
            start.astimezone(self.zone).date() + timedelta(days=1), time.min, self.zone
        )
        return next(self.windows(tomorrow))[1]


@cache
def _holidays(provincia: str, year: int) -> frozenset[date]:
    national = holidays.country_holidays("IT", years=year)
    days = {day for day in national if day.year == year}
    days |= {date(year, month, day) for month, day in PATRONS.get(provincia, ())}
    if provincia == "BZ":
        easter_monday = next(
            day for day, name in national.items() if "Angelo" in name or "Easter Monday" in name
        )
        days.add(easter_monday + timedelta(days=WHIT_MONDAY_AFTER_EASTER_MONDAY_DAYS))
    return frozenset(days)
