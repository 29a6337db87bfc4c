"""Gathering what was read of a slice: events that are alike together, and whether an id comes twice.

One event after the other, while what it says is still in the processor's cache: by the end of a slice it is not.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from services.billing.domain.usage import EventGroup, quarter_of
from services.billing.metering.arrivals import Arrival

Groups: TypeAlias = Mapping[EventGroup, Sequence[Arrival]]


class Gathering:
    """Events in the order in which they arrived, all together and by group."""

    def __init__(self, arrivals: Iterable[Arrival] = (), *, later: bool = False) -> None:
        """`later`: put together only when asked, because most of it is likely to be dropped before."""
        self.arrivals: list[Arrival] = []
        self._later = later
        self._keys: set[bytes] = set()
        self._groups: dict[tuple[str, str, str, bool, int, int, str | None], list[Arrival]] = {}
        for arrival in arrivals:
            self.add(arrival)

    def add(self, arrival: Arrival) -> None:
        """Take one more."""
        self.arrivals.append(arrival)
        if not self._later:
            self._put(arrival)

    def _put(self, arrival: Arrival) -> None:
        self._keys.add(arrival.key)
        said, quarter = arrival.said, quarter_of(arrival.at)
        alike = (
            arrival.tenant_id, said.service_id, said.meter, said.value is None, arrival.revision, quarter, arrival.principal
        )  # fmt: skip
        found = self._groups.get(alike)
        if found is None:
            self._groups[alike] = [arrival]
        else:
            found.append(arrival)

    def _put_all(self) -> None:
        if self._later:
            self._later = False
            for arrival in self.arrivals:
                self._put(arrival)

    @property
    def repeats(self) -> bool:
        """Whether an id comes twice."""
        self._put_all()
        return len(self._keys) < len(self.arrivals)

    @property
    def groups(self) -> dict[EventGroup, list[Arrival]]:
        """What is alike."""
        self._put_all()
        return {EventGroup(*alike): arrivals for alike, arrivals in self._groups.items()}
