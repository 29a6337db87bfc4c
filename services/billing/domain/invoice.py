"""A document from its charges: lines, IVA once per rate on the sum of rounded lines, totals, due date, number."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from schemas.billing import InvoiceLine, InvoiceTotals, TaxSummary
from schemas.currencies import minor_unit
from services.billing.domain.charges import Charge, ChargeKind
from services.billing.domain.money import half_up
from services.billing.domain.tax import TaxRule, stamp_duty

ALLOWANCE = "AB"
"""FatturaPA's TipoCessionePrestazione of a deduction."""

AT_ONCE, SPLIT_PAYMENT = "I", "S"
"""FatturaPA's EsigibilitaIVA."""

PAYMENT_DAYS = 30
SERIES = "A"
FOREIGN_SERIES = "E"
HOME = "IT"
NUMBER_DIGITS = 6


def number(year: int, n: int, series: str = SERIES) -> str:
    """`2026/A/000123`: at most 20 characters, at least one digit (FatturaPA)."""
    return f"{year}/{series}/{n:0{NUMBER_DIGITS}d}"


def series_of(country: str) -> str:
    """The series of a buyer's documents: what goes abroad is numbered apart."""
    return SERIES if country == HOME else FOREIGN_SERIES


def due_date(issued: date) -> date:
    """Thirty days after the document's date (D.Lgs. 231/2002)."""
    return issued + timedelta(days=PAYMENT_DAYS)


def line(n: int, service_id: str, charge: Charge, rule: TaxRule) -> InvoiceLine:
    """A charge as line `n`."""
    return InvoiceLine(
        n=n, sku=charge.component, description=charge.description, quantity=charge.quantity,
        unit_price=charge.unit_price, um=charge.unit, net=charge.net, period_from=charge.days.start,
        period_to=charge.days.last, aliquota_iva=rule.percent, natura=rule.natura,
        commissionable=charge.commissionable, service_id=service_id,
        tipo_cessione=ALLOWANCE if charge.kind is ChargeKind.CAP else None,
    )  # fmt: skip


def lines(charges: Sequence[tuple[str, Charge]], rule: TaxRule) -> tuple[InvoiceLine, ...]:
    """Numbered lines, in the order given: (service id, charge)."""
    return tuple(
        line(n, service_id, charge, rule) for n, (service_id, charge) in enumerate(charges, 1)
    )


def totals(rows: Sequence[InvoiceLine], rule: TaxRule, currency: str = "EUR") -> InvoiceTotals:
    """Sums, in the minor unit. IVA is computed once per (rate, natura): per line it would be refused (SdI 00421)."""
    step = minor_unit(currency)
    nothing = half_up(Decimal(0), step)
    groups: dict[tuple[Decimal, str | None], Decimal] = {}
    for row in rows:
        key = (row.aliquota_iva, row.natura)
        groups[key] = groups.get(key, nothing) + row.net
    summary = tuple(
        TaxSummary(
            aliquota_iva=rate, natura=natura, imponibile=net, imposta=half_up(net * rate / 100, step),
            esigibilita=SPLIT_PAYMENT if rule.split_payment else AT_ONCE, riferimento_normativo=rule.text,
        )
        for (rate, natura), net in groups.items()
    )  # fmt: skip
    net = sum((group.imponibile for group in summary), nothing)
    tax = sum((group.imposta for group in summary), nothing)
    return InvoiceTotals(
        riepilogo=summary, imponibile=net, imposta=tax, totale_documento=net + tax,
        da_pagare=net if rule.split_payment else net + tax,
        bollo_virtuale=stamp_duty(((row.natura, row.net) for row in rows), currency),
    )  # fmt: skip
