"""Worked rules: proration, rounding, anchors, clock changes, the month of an instant, VAT numbers."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from stdnum.it import iva

from services.billing.domain.charges import prorated
from services.billing.domain.money import half_up
from services.billing.domain.periods import anchored, civil_day, hours, midnight, month_of
from tests.support.catalogue import ROME
from tests.vectors.player import Compared


def compared(rules: Mapping[str, Any]) -> Iterator[Compared]:
    """Each rule that billing or the door has, against its worked examples; sections of other rules are passed over."""
    for case in rules.get("kill_bill_documented", []):
        net = half_up(prorated(Decimal(case["price"]), Decimal(1), case["days"], case["period"])[1])
        yield Compared(
            f"{case['price']} for {case['days']}/{case['period']}", case["expected"], str(net)
        )
    for case in rules.get("rounding", []):
        if "half_up" in case:
            tax = half_up(Decimal(case["imponibile"]) * Decimal(case["aliquota"]) / 100)
            yield Compared(f"tax of {case['imponibile']}", case["half_up"], str(tax))
    yield from _anchors(rules.get("anchors", {}))
    for case in rules.get("dst", []):
        month = month_of(date.fromisoformat(case["month"] + "-01"))
        yield Compared(f"hours of {case['month']}", case["hours"], str(hours(month, ROME)))
        for name, day in (("start_utc", month.start), ("end_utc", month.end)):
            yield Compared(
                f"{name} of {case['month']}", case[name], midnight(day, ROME).isoformat()
            )
    for case in rules.get("usage_window", []):
        day = civil_day(datetime.fromisoformat(case["event_time_utc"]), ROME)
        yield Compared(f"month of {case['event_time_utc']}", case["billing_month"], f"{day:%Y-%m}")
    numbers = rules.get("partita_iva", {})
    for number in numbers.get("valid", []):
        yield Compared(f"VAT number {number}", "valid", "valid" if iva.is_valid(number) else "not")


def _anchors(anchors: Mapping[str, Any]) -> Iterator[Compared]:
    for name, wanted in anchors.items():
        step, separator, anchor = name.partition("_from_")
        if separator:
            first = date(*map(int, anchor.split("_")))
            months = {"monthly": 1, "yearly": 12}[step]
            for k, day in enumerate(wanted):
                yield Compared(f"{name}, {k}", day, str(anchored(first, k * months)))
