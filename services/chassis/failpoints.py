"""Named places where a fault test may stop this process for real. Without `VICINO_FAILPOINT` they do nothing.

`VICINO_FAILPOINT=engine.before_commit:3` kills the process with SIGKILL when it gets there for the third time;
`…:3:stop` pauses it with SIGSTOP instead (the tester resumes it).
"""

import os
import signal

POINTS = (
    "engine.fetched",
    "engine.fenced",
    "usage.keyed",
    "usage.kept",
    "engine.handled",
    "engine.before_commit",
    "engine.after_commit",
    "engine.acknowledged",
    "relay.selected",
    "relay.sent",
    "relay.marked",
    "job.leased",
    "job.before_finish",
    "job.before_commit",
    "job.after_commit",
)
"""Every failpoint there is, in the order the code gets to them."""


class _Armed:
    def __init__(self, order: str) -> None:
        point, _, rest = order.partition(":")
        count, _, action = rest.partition(":")
        if point and point not in POINTS:
            raise ValueError(f"VICINO_FAILPOINT names no known point: {point!r}")
        self.point, self.countdown = point, int(count or 1)
        self.signal = signal.SIGSTOP if action == "stop" else signal.SIGKILL


_armed = _Armed(os.environ.get("VICINO_FAILPOINT", ""))


def reach(point: str) -> None:
    """Say that the process is at `point`; if a tester asked for it, that is where it ends."""
    if point != _armed.point:
        return
    _armed.countdown -= 1
    if _armed.countdown == 0:
        os.kill(os.getpid(), _armed.signal)
