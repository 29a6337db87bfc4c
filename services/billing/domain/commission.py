"""What resellers earn of a document: a share of its commissionable lines, by their contracts.

A line belongs to whoever served the tenant on its days; where that changed, it is split by the day. The share of a
reseller, and the uplift of a tenant's first year, are each rounded once on the document. They are spread over its lines by
rounding what the lines come to so far: the parts sum to the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from services.billing.domain.money import CENT, exactly, half_up
from services.billing.domain.periods import Days, anchored

MONTHS_OF_FIRST_YEAR = 12


class ContractModel(StrEnum):
    """Whom the SME owes. An agent earns when the SME has paid, a seller of its own when the document is issued."""

    AGENCY = "agency"
    RESALE = "resale"


@dataclass(frozen=True, slots=True)
class Contract:
    """What a reseller earns from a day on, in per cent of the commissionable net."""

    since: date
    model: ContractModel
    rate_percent: Decimal
    first_year_uplift_percent: Decimal


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who serves a tenant from a civil day on."""

    since: date
    reseller_id: str


@dataclass(frozen=True, slots=True)
class CommissionableLine:
    """A line of a document that earns commission. What a credit note gives back is negative."""

    n: int
    days: Days
    net: Decimal


@dataclass(frozen=True, slots=True)
class LineCommission:
    """What a reseller earns of a line: `net` is its part of the line."""

    n: int
    net: Decimal
    base: Decimal
    uplift: Decimal


@dataclass(frozen=True, slots=True)
class Commission:
    """What a reseller earns of a document."""

    reseller_id: str
    contract: Contract
    uplift_percent: Decimal
    """0 after the tenant's first year."""
    lines: tuple[LineCommission, ...]

    @property
    def net(self) -> Decimal:
        """The reseller's commissionable net."""
        with exactly():
            return sum((line.net for line in self.lines), Decimal(0))

    @property
    def base(self) -> Decimal:
        """Its share of it, without the uplift."""
        return sum((line.base for line in self.lines), Decimal(0))

    @property
    def uplift(self) -> Decimal:
        """The uplift of the tenant's first year."""
        return sum((line.uplift for line in self.lines), Decimal(0))

    @property
    def total(self) -> Decimal:
        """Both together."""
        return self.base + self.uplift


def last_told(contracts: Sequence[Contract]) -> list[Contract]:
    """Contracts by the day they count from, given in the order of arrival: the last one of each day."""
    told = {contract.since: contract for contract in contracts}
    return sorted(told.values(), key=lambda contract: contract.since)


def contract_on(contracts: Sequence[Contract], day: date) -> Contract | None:
    """The contract of a day, of those given in the order of arrival."""
    begun = [contract for contract in last_told(contracts) if contract.since <= day]
    return begun[-1] if begun else None


def is_first_year(started: date, day: date) -> bool:
    """Whether a day lies in the first twelve months of a tenant whose first service started on a day."""
    return day < anchored(started, MONTHS_OF_FIRST_YEAR)


def parts(assignments: Sequence[Assignment], days: Days) -> dict[str, int]:
    """On how many of these days each reseller served; days before the first assignment are the first reseller's."""
    found: dict[str, int] = {}
    told = sorted({one.since: one for one in assignments}.values(), key=lambda one: one.since)
    for n, one in enumerate(told):
        start = one.since if n else date.min
        end = told[n + 1].since if n + 1 < len(told) else date.max
        served = len(days.cut(Days(start, end)))
        if served:
            found[one.reseller_id] = found.get(one.reseller_id, 0) + served
    return found


def lines_of(
    assignments: Sequence[Assignment], lines: Sequence[CommissionableLine]
) -> dict[str, list[CommissionableLine]]:
    """The lines by the reseller they belong to; a split one is there with the part of each."""
    found: dict[str, list[CommissionableLine]] = {}
    for line in lines:
        with exactly():
            for reseller_id, served in parts(assignments, line.days).items():
                net = line.net * served / len(line.days)
                found.setdefault(reseller_id, []).append(CommissionableLine(line.n, line.days, net))
    return found


def commission(
    reseller_id: str, contract: Contract, lines: Sequence[CommissionableLine], *, first_year: bool, step: Decimal = CENT
) -> Commission:  # fmt: skip
    """What a reseller earns of its lines of a document."""
    uplift_percent = contract.first_year_uplift_percent if first_year else Decimal(0)
    bases = _cumulative(lines, contract.rate_percent, step)
    uplifts = _cumulative(lines, uplift_percent, step)
    found = zip(lines, bases, uplifts, strict=True)
    return Commission(
        reseller_id, contract, uplift_percent,
        tuple(LineCommission(line.n, line.net, base, uplift) for line, base, uplift in found),
    )  # fmt: skip


def _cumulative(
    lines: Sequence[CommissionableLine], percent: Decimal, step: Decimal
) -> list[Decimal]:
    found, net, before = [], Decimal(0), Decimal(0)
    for line in lines:
        with exactly():
            net += line.net
            so_far = half_up(net * percent / 100, step)
            found.append(so_far - before)
        before = so_far
    return found
