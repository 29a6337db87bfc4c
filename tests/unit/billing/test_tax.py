"""How a document is taxed follows from its buyer's profile on its day."""

from datetime import date
from decimal import Decimal

import pytest

from schemas.tenants import TaxProfile
from services.billing.domain.charges import Charge, ChargeKind
from services.billing.domain.invoice import lines, number, series_of, totals
from services.billing.domain.periods import Days
from services.billing.domain.tax import ProfileSince, profile_on, rule_of, stamp_duty

SERVICE = "11111111-1111-1111-1111-111111111111"
DAY, LATER = date(2026, 12, 1), date(2027, 1, 1)


def charge(net: str) -> Charge:
    amount = Decimal(net)
    return Charge(
        ChargeKind.RECURRING, "X/base", "base", "x", Decimal(1), amount, "n", amount, Days(DAY, LATER), commissionable=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("profile", "nets", "expected"),
    [
        (TaxProfile.ORDINARY, ["100.00", "57.50"], ("22.00", None, "I", "34.65", "192.15", "192.15", None)),
        (TaxProfile.SPLIT_PAYMENT, ["100.00"], ("22.00", None, "S", "22.00", "122.00", "100.00", None)),
        (TaxProfile.REVERSE_CHARGE_EU, ["77.47"], ("0.00", "N2.1", "I", "0.00", "77.47", "77.47", None)),
        (TaxProfile.REVERSE_CHARGE_EU, ["70.00", "7.48"], ("0.00", "N2.1", "I", "0.00", "77.48", "77.48", "2.00")),
        (TaxProfile.EXTRA_EU, ["241.30"], ("0.00", "N2.1", "I", "0.00", "241.30", "241.30", "2.00")),
        (TaxProfile.EXEMPT, ["100.00"], ("0.00", "N4", "I", "0.00", "100.00", "100.00", "2.00")),
    ],
    ids=["ordinary", "split payment", "EU, no stamp", "EU, stamp", "outside the EU", "exempt"],
)  # fmt: skip
def test_a_document_is_taxed_by_its_profile(
    profile: TaxProfile, nets: list[str], expected: tuple[str | None, ...]
) -> None:
    rule = rule_of(profile, DAY)
    rows = lines([(SERVICE, charge(net)) for net in nets], rule)
    found = totals(rows, rule)
    [group] = found.riepilogo
    stamp = found.bollo_virtuale
    assert {(str(row.aliquota_iva), row.natura) for row in rows} == {expected[:2]}
    assert (
        str(group.aliquota_iva), group.natura, group.esigibilita, str(found.imposta), str(found.totale_documento),
        str(found.da_pagare), None if stamp is None else str(stamp),
    ) == expected  # fmt: skip
    assert bool(group.riferimento_normativo) == (profile is not TaxProfile.ORDINARY)


@pytest.mark.parametrize("profile", TaxProfile)
@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2026, 12, 31), LATER, date(2040, 2, 29)])
def test_each_profile_has_one_rule_for_each_day_and_names_the_law_of_that_day(
    profile: TaxProfile, day: date
) -> None:
    rule = rule_of(profile, day)
    assert (rule.percent == 0) == (rule.natura is not None)
    if rule.text:
        assert ("633/1972" in rule.text) == (day < LATER)


def test_a_day_before_all_rules_is_refused() -> None:
    with pytest.raises(LookupError, match="no rule is known for ordinary on 2013-09-30"):
        rule_of(TaxProfile.ORDINARY, date(2013, 9, 30))


def test_stamp_duty_counts_what_bears_no_iva_in_euro_only() -> None:
    assert stamp_duty([("N2.1", Decimal("77.48"))], "CHF") is None
    assert stamp_duty([("N6.9", Decimal("500")), (None, Decimal("500"))], "EUR") is None
    assert stamp_duty([("N4", Decimal("50")), ("N1", Decimal("27.48"))], "EUR") == Decimal("2.00")


def test_the_profile_of_a_day_is_the_last_one_told_of_those_that_have_begun() -> None:
    told = [
        ProfileSince(date(2026, 11, 1), TaxProfile.ORDINARY),
        ProfileSince(date(2026, 12, 1), TaxProfile.EXEMPT),
        ProfileSince(date(2026, 12, 1), TaxProfile.SPLIT_PAYMENT),
    ]
    days = (date(2026, 10, 1), date(2026, 11, 30), date(2026, 12, 1))
    assert [profile_on(told, day) for day in days] == [
        TaxProfile.ORDINARY, TaxProfile.ORDINARY, TaxProfile.SPLIT_PAYMENT,
    ]  # fmt: skip
    assert profile_on([], DAY) is TaxProfile.ORDINARY


def test_documents_for_abroad_have_a_series_of_their_own() -> None:
    assert [number(2026, 7, series_of(country)) for country in ("IT", "DE", "CH")] == [
        "2026/A/000007", "2026/E/000007", "2026/E/000007",
    ]  # fmt: skip
