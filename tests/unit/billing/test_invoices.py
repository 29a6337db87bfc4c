"""Worked invoices come out line by line, to the cent."""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.catalogue import Plan, UsagePrice
from schemas.currencies import minor_unit
from schemas.tenants import TaxProfile
from services.billing.domain.aggregation import Sample, time_weighted
from services.billing.domain.charges import Charge
from services.billing.domain.invoice import lines, totals
from services.billing.domain.periods import Days, midnight, month_of
from services.billing.domain.pricing import usage_charges
from services.billing.domain.quantities import Change
from services.billing.domain.recurring import Billed, recurring_charges, setup_charge
from services.billing.domain.tax import rule_of
from tests.support.catalogue import PLANS, ROME

DATA = Path(__file__).parent / "invoices.json"
EXPECTED = {invoice["id"]: invoice for invoice in json.loads(DATA.read_text())["invoices"]}
FIELDS = (
    "n",
    "sku",
    "quantity",
    "unit_price",
    "net",
    "period_from",
    "period_to",
    "um",
    "aliquota_iva",
    "natura",
    "commissionable",
)


ORDINARY = rule_of(TaxProfile.ORDINARY, date(2026, 12, 1))
ANY_SERVICE = "11111111-1111-1111-1111-111111111111"


def change(day: str, **quantities: int) -> Change:
    return Change(date.fromisoformat(day), {meter: Decimal(n) for meter, n in quantities.items()})


def usage(plan: Plan, meter: str, quantity: str, month: Days, included: int = 0) -> list[Charge]:
    price = next(price for price in plan.usage if price.meter == meter)
    free = Decimal(included) if price.included_per else price.included or Decimal(0)
    return usage_charges(plan, price, Decimal(quantity), free, month)


def billed(plan: Plan, timeline: list[Change], boundary: str) -> dict[str, list[Billed]]:
    """What a run at an earlier boundary has billed."""
    found: dict[str, list[Billed]] = {}
    for charge in recurring_charges(plan, timeline, {}, date.fromisoformat(boundary)):
        found.setdefault(charge.component, []).append(
            Billed(charge.days, charge.units_billed, charge.net)
        )
    return found


def invoice_a() -> list[Charge]:
    november = month_of(date(2026, 11, 1))
    erp, mail = PLANS["ERP-CLOUD"], PLANS["MAIL-STD"]
    before = [change("2026-11-01", base=1, extra_user=3)]
    after = [*before, change("2026-11-12", base=1, extra_user=5)]
    boxes = [change("2026-11-01", mailbox=12, pec_mailbox=2)]
    first = date(2026, 12, 1)
    return [
        *recurring_charges(erp, after, billed(erp, before, "2026-11-01"), first),
        *usage(erp, "e_invoices", "1730", november),
        *recurring_charges(mail, boxes, billed(mail, boxes, "2026-11-01"), first),
        *usage(mail, "mail_storage_overage_gb_month", "157.482", november, included=120),
    ]


def invoice_b() -> list[Charge]:
    october = month_of(date(2026, 10, 1))
    backup, voip = PLANS["BACKUP-PRO"], PLANS["VOIP-PBX"]
    extensions = [
        change("2026-10-01", extension=6), change("2026-10-08", extension=7), change("2026-10-20", extension=6)
    ]  # fmt: skip
    start, end = (midnight(day, ROME) for day in (october.start, october.end))
    rise = start + timedelta(hours=7 * 24 + 421)
    levels = [
        Sample(midnight(date(2026, 10, 8), ROME), "a", Decimal(620)),
        Sample(rise, "b", Decimal(780)),
    ]
    gb_month = time_weighted(levels, Decimal(0), start, end, 6)
    return [
        *recurring_charges(backup, [change("2026-10-08", base=1)], {}, october.end),
        *usage(backup, "backup_gb_month", str(gb_month), october),
        *recurring_charges(voip, extensions, {}, october.end),
        *usage(voip, "minutes_fixed", "812.35", october),
        *usage(voip, "minutes_mobile", "243.70", october),
    ]


NUMBERS = ("quantity", "unit_price", "net", "aliquota_iva")


def compared(row: dict[str, Any]) -> dict[str, Any]:
    """The fields that must agree; numbers as numbers."""
    return {field: Decimal(row[field]) if field in NUMBERS else row[field] for field in FIELDS}


def shown(row: Any) -> dict[str, Any]:
    return compared(row.model_dump(mode="json"))


def test_invoice_a_comes_out_line_by_line_with_its_descriptions() -> None:
    expected = EXPECTED["A"]
    rows = lines(
        [("11111111-1111-1111-1111-111111111111", charge) for charge in invoice_a()],
        ORDINARY,
    )
    assert [shown(row) for row in rows] == [compared(want) for want in expected["lines"]]
    assert [row.description for row in rows] == [want["description"] for want in expected["lines"]]
    found = totals(rows, ORDINARY).model_dump(mode="json")
    assert found["imponibile"] == expected["totals"]["imponibile"]
    assert found["imposta"] == expected["totals"]["imposta"]
    assert found["da_pagare"] == expected["totals"]["da_pagare"]


def test_invoice_b_comes_out_line_by_line_but_for_its_spending_cap() -> None:
    expected = [want for want in EXPECTED["B"]["lines"] if not want["sku"].endswith("/cap")]
    charges = [("11111111-1111-1111-1111-111111111111", charge) for charge in invoice_b()]
    rows = lines(charges, ORDINARY)
    # The usage of a service that starts in mid-month is shown for the month; so does the worked example.
    assert [shown(row) for row in rows] == [compared(want) for want in expected]
    assert sum(row.net for row in rows) == Decimal("154.43") + Decimal("3.66")
    assert rows[0].description == "Backup gestito - canone dal 08/10 (24/31 gg)"


def test_the_set_up_fee_is_one_line_of_the_first_invoice() -> None:
    charge = setup_charge(PLANS["ERP-CLOUD"], date(2026, 11, 1))
    assert charge is not None
    assert (charge.component, charge.net) == ("ERP-CLOUD/setup", Decimal("150.00"))
    assert setup_charge(PLANS["MAIL-STD"], date(2026, 11, 1)) is None


@pytest.mark.parametrize("sku", sorted(PLANS))
def test_a_month_that_is_billed_is_not_billed_again(sku: str) -> None:
    plan = PLANS[sku]
    timeline = [Change(date(2026, 11, 1), {price.meter: Decimal(5) for price in plan.recurring})]
    assert (
        recurring_charges(plan, timeline, billed(plan, timeline, "2026-12-01"), date(2026, 12, 1))
        == []
    )


@pytest.mark.parametrize(
    ("currency", "price", "setup", "usage_price", "expected"),
    [("JPY", "1000", "150.005", "0.45", ("633", "150", "6", "174")),
     ("EUR", "1000", "150.005", "0.45", ("633.33", "150.01", "5.85", "173.62")),
     ("KWD", "1000", "150.0005", "0.4505", ("633.333", "150.001", "5.857", "173.622"))],
)  # fmt: skip
def test_every_amount_is_a_multiple_of_the_currency_s_minor_unit(
    currency: str, price: str, setup: str, usage_price: str, expected: tuple[str, ...]
) -> None:
    step = minor_unit(currency)
    plan = PLANS["ERP-CLOUD"]
    base = plan.recurring[0].model_copy(update={"price": Decimal(price)})
    per_unit = UsagePrice(
        meter="m", code="m", label="m", unit="n", price=Decimal(usage_price), commissionable=True
    )
    plan = plan.model_copy(update={"setup": Decimal(setup), "recurring": (base,)})
    timeline = [change("2026-11-12", base=1)]
    fees = recurring_charges(plan, timeline, {}, date(2026, 11, 12), step)
    first = setup_charge(plan, date(2026, 11, 12), step)
    assert first is not None
    used = usage_charges(plan, per_unit, Decimal(13), Decimal(0), month_of(date(2026, 11, 1)), step)
    found = totals(
        lines([(ANY_SERVICE, one) for one in (fees[0], first, used[0])], ORDINARY),
        ORDINARY,
        currency,
    )
    assert (str(fees[0].net), str(first.net), str(used[0].net)) == expected[:3]
    assert str(found.imposta) == expected[3]
    assert str(found.totale_documento - found.imposta) == str(sum(map(Decimal, expected[:3])))
