"""IVA and stamp duty: what a tax profile means for a document of a day. Rates and legal texts are data with validity.

From 2027-01-01 the Testo unico IVA (D.Lgs. 10/2026) stands for D.P.R. 633/1972: same substance, other articles.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Generic, TypeVar

from schemas.tenants import TaxProfile

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Valid(Generic[Kind]):
    """What holds on the days `[since, until)`; no end: until further notice."""

    what: Kind
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class TaxRule:
    """How a line is taxed: a rate in per cent, or the reason (FatturaPA's Natura) why there is none."""

    percent: Decimal
    natura: str | None = None
    text: str | None = None
    """The legal reference, as documents show it."""
    split_payment: bool = False


ORDINARY_PERCENT = Decimal("22.00")
NONE_PERCENT = Decimal("0.00")
RATE_SINCE, TESTO_UNICO = date(2013, 10, 1), date(2027, 1, 1)

RULES: dict[TaxProfile, Sequence[Valid[TaxRule]]] = {
    TaxProfile.ORDINARY: (Valid(TaxRule(ORDINARY_PERCENT), RATE_SINCE),),
    TaxProfile.SPLIT_PAYMENT: (
        Valid(TaxRule(ORDINARY_PERCENT, text="Scissione dei pagamenti, art. 17-ter D.P.R. 633/1972", split_payment=True),
              date(2015, 1, 1), TESTO_UNICO),
        Valid(TaxRule(ORDINARY_PERCENT, text="Scissione dei pagamenti, D.Lgs. 10/2026", split_payment=True), TESTO_UNICO),
    ),
    TaxProfile.REVERSE_CHARGE_EU: (
        Valid(TaxRule(NONE_PERCENT, "N2.1", "Inversione contabile, art. 7-ter D.P.R. 633/1972"), RATE_SINCE, TESTO_UNICO),
        Valid(TaxRule(NONE_PERCENT, "N2.1", "Inversione contabile, D.Lgs. 10/2026"), TESTO_UNICO),
    ),
    TaxProfile.EXTRA_EU: (
        Valid(TaxRule(NONE_PERCENT, "N2.1", "Operazione non soggetta, art. 7-ter D.P.R. 633/1972"), RATE_SINCE, TESTO_UNICO),
        Valid(TaxRule(NONE_PERCENT, "N2.1", "Operazione non soggetta, D.Lgs. 10/2026"), TESTO_UNICO),
    ),
    TaxProfile.EXEMPT: (
        Valid(TaxRule(NONE_PERCENT, "N4", "Operazione esente, art. 10 D.P.R. 633/1972"), RATE_SINCE, TESTO_UNICO),
        Valid(TaxRule(NONE_PERCENT, "N4", "Operazione esente, D.Lgs. 10/2026"), TESTO_UNICO),
    ),
}  # fmt: skip
"""The ordinary rate: 22 % since 2013-10-01 (art. 16 D.P.R. 633/1972 as amended)."""

STAMP_DUTY = Decimal("2.00")
STAMP_FREE = Decimal("77.47")
"""Amounts without IVA of more than this in a document bear stamp duty (D.P.R. 642/1972)."""

STAMPED = frozenset({"N1", "N2.1", "N2.2", "N3.5", "N3.6", "N4"})
STAMP_CURRENCY = "EUR"


def rule_of(profile: TaxProfile, day: date) -> TaxRule:
    """How a document of a day is taxed. Raises `LookupError` for a day no rule covers."""
    for valid in RULES[profile]:
        if valid.since <= day and (valid.until is None or day < valid.until):
            return valid.what
    raise LookupError(f"no rule is known for {profile} on {day}")


def stamp_duty(nets: Iterable[tuple[str | None, Decimal]], currency: str) -> Decimal | None:
    """The stamp duty of a document, by the Natura and net of its lines; None: it bears none.

    The law counts in euro, and no rate of exchange is known here: a document in another currency bears none.
    """
    untaxed = sum((net for natura, net in nets if natura in STAMPED), Decimal(0))
    return STAMP_DUTY if currency == STAMP_CURRENCY and untaxed > STAMP_FREE else None


@dataclass(frozen=True, slots=True)
class ProfileSince:
    """How a tenant's documents are taxed from a civil day on."""

    since: date
    profile: TaxProfile


def profile_on(told: Sequence[ProfileSince], day: date) -> TaxProfile:
    """The profile of a day, of those given in the order of arrival. Before the first one, the first."""
    begun = [one for one in told if one.since <= day]
    if begun:
        last = max(one.since for one in begun)
        return [one for one in begun if one.since == last][-1].profile
    return min(told, key=lambda one: one.since).profile if told else TaxProfile.ORDINARY
