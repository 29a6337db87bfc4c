"""What was used: a function of the tenant and the hour, said once in SQL for the books and once in Python for the plain loop."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

HOURS = 720
"""Usage comes in each of the first thirty days' hours."""
CALLS, DOCUMENTS, STORAGE = "calls", "documents", "storage"
SKU = "SUITE"
BASE, SEAT = Decimal("49.00"), Decimal("19.00")
SEATS = 3
CALL, DOCUMENT, GIGABYTE = Decimal("0.015"), Decimal("0.08"), Decimal("0.12")
DECIMALS = 6
"""Of the average of storage."""

METERS = (
    {"key": CALLS, "name": "Minuti", "aggregation": "sum", "unit": "min"},
    {"key": DOCUMENTS, "name": "Documenti", "aggregation": "unique_count", "unit": "n"},
    {"key": STORAGE, "name": "Spazio", "aggregation": "time_weighted", "unit": "GB", "decimals": DECIMALS},
)  # fmt: skip
PLAN = {
    "sku": SKU, "name": "Suite", "setup": "0", "provisioning": [{"driver": "http"}],
    "recurring": [
        {"meter": "base", "code": "base", "label": "Canone", "price": str(BASE), "timing": "arrears", "unit": "n",
         "singular": "canone", "plural": "canoni"},
        {"meter": "seat", "code": "seat", "label": "Utenti", "price": str(SEAT), "timing": "arrears", "unit": "n",
         "singular": "utente", "plural": "utenti"},
    ],
    "usage": [
        {"meter": CALLS, "code": CALLS, "label": "Minuti", "unit": "min", "price": str(CALL)},
        {"meter": DOCUMENTS, "code": DOCUMENTS, "label": "Documenti", "unit": "n", "price": str(DOCUMENT)},
        {"meter": STORAGE, "code": STORAGE, "label": "Spazio", "unit": "GB", "price": str(GIGABYTE)},
    ],
}  # fmt: skip

CALLS_SQL = "((tenant * 31 + hour * 17) % 997 + 1) / 100::numeric"
DOCUMENT_SQL = "lpad(to_hex(tenant * 1000 + hour % 300), 32, '0')::uuid"
LEVEL_SQL = "((tenant * 13 + hour * 7) % 500 + 1) / 10::numeric"


def calls(tenant: int, hour: int) -> Decimal:
    """Minutes of an hour."""
    return Decimal((tenant * 31 + hour * 17) % 997 + 1) / 100


def document(tenant: int, hour: int) -> str:
    """The one document of an hour; 300 of them are different."""
    return str(UUID(int=tenant * 1000 + hour % 300))


def level(tenant: int, hour: int) -> Decimal:
    """Gigabytes from an hour on."""
    return Decimal((tenant * 13 + hour * 7) % 500 + 1) / 10


def raw(tenant: int, start: datetime) -> Iterator[bytes]:
    """A tenant's raw events of a month."""
    for hour in range(HOURS):
        at = (start + timedelta(hours=hour)).isoformat()
        yield msgspec.json.encode(
            {"meter": CALLS, "time": at, "quantity": str(calls(tenant, hour))}
        )
        yield msgspec.json.encode({"meter": DOCUMENTS, "time": at, "value": document(tenant, hour)})
        yield msgspec.json.encode({"meter": STORAGE, "time": at, "quantity": str(level(tenant, hour))})  # fmt: skip


def bounds(month: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first instant of a civil month, and the one after its last."""
    after = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
    return (
        datetime.combine(month, datetime.min.time(), zone),
        datetime.combine(after, datetime.min.time(), zone),
    )
