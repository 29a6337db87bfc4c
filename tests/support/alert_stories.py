"""Stories of one trouble, and what must come of them: told by windows, not by states.

An alert is an episode, from a report to the first resolution after it. Within it a new window begins when trouble gets
more severe after an acknowledgement. In each window the first acknowledgement counts, and the first time that nobody
answered or could be told, unless an acknowledgement came before it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.signals import Severity

ACKNOWLEDGE, RESOLVE, UNDELIVERED, DEADLINE, AGAIN = (
    "acknowledge",
    "resolve",
    "undelivered",
    "deadline",
    "again",
)
STEPS = (*Severity, ACKNOWLEDGE, RESOLVE, UNDELIVERED, DEADLINE, AGAIN)
"""A severity: trouble is reported. `again`: the event before comes a second time."""


@dataclass
class Episode:
    """What becomes of one alert."""

    reported: list[Severity] = field(default_factory=list)
    windows: list[list[str]] = field(default_factory=lambda: [[]])
    is_over: bool = False

    @property
    def severity(self) -> Severity:
        """The most severe that was reported."""
        return min(self.reported)

    @property
    def state(self) -> str:
        """Where it ends."""
        if self.is_over:
            return "resolved"
        last = self.windows[-1]
        if ACKNOWLEDGE in last:
            return "acknowledged"
        return "escalated" if last else "open"

    @property
    def told(self) -> Counter[str]:
        """How often each change of it is reported."""
        records = [min(self.reported[: n + 1]) for n in range(len(self.reported))]
        escalated = sum(bool(window) and window[0] != ACKNOWLEDGE for window in self.windows)
        acknowledged = sum(ACKNOWLEDGE in window for window in self.windows)
        counts = {
            "raised": len(set(records)) - 1,
            "escalated": escalated,
            "acknowledged": acknowledged,
        }
        return +Counter({"opened": 1, "resolved": int(self.is_over), **counts})


def episodes(story: Sequence[str]) -> list[Episode]:
    """What must become of a story; answers before the first report are about nothing."""
    found: list[Episode] = []
    for step in story:
        is_report = step in list(Severity)
        if is_report and (not found or found[-1].is_over):
            found.append(Episode())
        if not found or found[-1].is_over or step == AGAIN:
            continue
        now = found[-1]
        if is_report:
            severity = Severity(step)
            if now.reported and severity < now.severity and ACKNOWLEDGE in now.windows[-1]:
                now.windows.append([])
            now.reported.append(severity)
        elif step == RESOLVE:
            now.is_over = True
        else:
            now.windows[-1].append(step)
    return found
