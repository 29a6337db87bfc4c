"""The comparison: a plain loop that reads a tenant's raw events, adds them up and writes down what is owed."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from benchmarks.invoicing.facts import (
    BASE,
    CALL,
    CALLS,
    DECIMALS,
    DOCUMENT,
    DOCUMENTS,
    GIGABYTE,
    SEAT,
    SEATS,
    bounds,
    raw,
)

CENT = Decimal("0.01")


def invoice(events: Sequence[bytes], start: datetime, end: datetime) -> tuple[Decimal, Decimal]:
    """Net and IVA of a month, from its raw events in order."""
    minutes, documents, area = Decimal(0), set(), Decimal(0)
    gigabytes, since = Decimal(0), start
    for event in map(json.loads, events):
        at = datetime.fromisoformat(event["time"])
        if event["meter"] == CALLS:
            minutes += Decimal(event["quantity"])
        elif event["meter"] == DOCUMENTS:
            documents.add(event["value"])
        else:
            area += gigabytes * int((at - since).total_seconds())
            gigabytes, since = Decimal(event["quantity"]), at
    area += gigabytes * int((end - since).total_seconds())
    average = area / int((end - start).total_seconds())
    used = [
        (minutes, CALL),
        (Decimal(len(documents)), DOCUMENT),
        (average.quantize(Decimal(1).scaleb(-DECIMALS), ROUND_HALF_UP), GIGABYTE),
    ]
    net = BASE + SEAT * SEATS
    net += sum((_cents(quantity * price) for quantity, price in used), Decimal(0))
    return net, _cents(net * 22 / 100)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def naive(tenants: int, month: date, zone: ZoneInfo) -> tuple[float, list[tuple[Decimal, Decimal]]]:
    """Tenants per second, and what each owes. Making the events is not timed."""
    start, end = (one.astimezone(UTC) for one in bounds(month, zone))
    told = [list(raw(tenant, start)) for tenant in range(tenants)]
    began = time.perf_counter()
    found = [invoice(events, start, end) for events in told]
    return tenants / (time.perf_counter() - began), found
