"""Judging what was read of a slice: what counts, what must wait, and what is refused and why. No I/O."""

from collections.abc import Container, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from schemas.envelope import Malformed
from schemas.reasons import Reason
from services.billing.domain.meters import Meters
from services.billing.domain.usage import (
    WAITS,
    EventGroup,
    MeteredService,
    Window,
    judge,
    judge_time,
)
from services.billing.metering.account import Refusal, explained
from services.billing.metering.adding import measurable
from services.billing.metering.arrivals import Arrival, read_carefully
from services.billing.metering.gathering import Groups


@dataclass(slots=True)
class Judgement:
    """What is to become of events."""

    countable: dict[EventGroup, Sequence[Arrival]] = field(default_factory=dict)
    waiting: list[Arrival] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def _refuse(self, arrivals: Sequence[Arrival], reason: str) -> None:
        self.refused += [explained(arrival, reason) for arrival in arrivals]

    def _passed(self, verdicts: Sequence[tuple[Arrival, str | None]]) -> list[Arrival]:
        """Those without a reason against them; the others are refused."""
        self.refused += [
            explained(arrival, reason) for arrival, reason in verdicts if reason is not None
        ]
        return [arrival for arrival, reason in verdicts if reason is None]

    def _wait(self, arrivals: Sequence[Arrival]) -> None:
        """Before an event is set aside, the careful reader sees it: what is malformed will never be known."""
        for arrival in arrivals:
            try:
                self.waiting.append(
                    arrival if arrival.careful else read_carefully(arrival.raw, arrival.offset)
                )
            except Malformed as fault:
                self.refused.append((arrival, fault.reason, fault.detail))

    def _in_time_and_measurable(
        self,
        events: EventGroup,
        arrivals: Sequence[Arrival],
        service: MeteredService,
        window: Window,
        meters: Meters,
    ) -> Sequence[Arrival]:
        """Those of one group that pass the checks of single events."""
        if not window.covers(events.starts, service):
            arrivals = self._passed(
                [(arrival, judge_time(arrival.at, service, window)) for arrival in arrivals]
            )
        reading = service.readings[events.name]
        if reading.needs is None:
            arrivals = self._passed(
                [
                    (a, None if measurable(a, reading, meters) else Reason.WRONG_VALUE)
                    for a in arrivals
                ]
            )
        return arrivals


def judge_all(
    groups: Groups,
    services: Mapping[str, MeteredService],
    strangers: AbstractSet[EventGroup],
    window: Window,
    meters: Meters,
    runs: Container[tuple[str, int]] = (),
) -> Judgement:
    """Judge events, by what is known of services and meters, and of who may no longer speak for a tenant.

    `runs`: tenants and quarters of an hour whose usage waits until the invoice that it is too late for is made.
    """
    found = Judgement()
    for events, arrivals in groups.items():
        if events in strangers:
            found._refuse(arrivals, Reason.NOT_YOURS)
            continue
        service = services.get(events.service_id)
        verdict = judge(events, service, window)
        if service is None or verdict == WAITS:
            found._wait(arrivals)
        elif verdict is not None:
            found._refuse(arrivals, verdict)
        elif good := found._in_time_and_measurable(events, arrivals, service, window, meters):
            if (events.tenant_id, events.quarter) in runs:
                found._wait(good)
            else:
                found.countable[events] = good
    return found
