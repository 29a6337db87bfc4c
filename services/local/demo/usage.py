"""November's usage of all tenants: seeded, in order and out of it, one in twenty twice, and what is wrong on purpose."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from services.local.demo.world import STRUCTURED, cloud_event

ROME = ZoneInfo("Europe/Rome")
START = datetime(2026, 11, 1, tzinfo=ROME).astimezone(UTC)
HOURS = 720
"""November 2026 in Rome has no change of clocks."""

USAGE = "vicino.usage.recorded.v1"
SEED = 20261101
BATCH = 500
DUPLICATE_ONE_IN = 20

DOCUMENTS = {"SME-01": 1730, "SME-03": 420, "SME-05": 2300, "SME-07": 90, "SME-09": 640}
ORDERS = {"SME-04": 1150, "SME-06": 180, "SME-11": 610}
CALLS = {"SME-02": (2500, 900), "SME-09": (1200, 500)}
API_EVENTS = {"SME-08": 5200}
STORAGE_GB = {"SME-01": Decimal("157.482"), "SME-05": Decimal("91.25"), "SME-11": Decimal("64")}
BACKUP_GB = {"SME-02": Decimal("618.5"), "SME-03": Decimal("2310.75")}


@dataclass(frozen=True, slots=True)
class DemoService:
    """A service instance usage is sent for."""

    tenant: str
    tenant_id: str
    service_id: str
    sku: str
    reseller: str


@dataclass(slots=True)
class Sending:
    """What is to be sent: batches by sender, and single events that are wrong."""

    batches: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    valid: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    """Events sent after a later one of the same tenant."""

    quantities: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """What each (tenant, meter) must come to, for sums and counts."""


def _stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _sometime(dice: random.Random) -> datetime:
    return START + timedelta(
        seconds=dice.randrange(HOURS * 3600 - 3600), milliseconds=dice.randrange(1000)
    )


def _event(
    service: DemoService, meter: str, event_id: str, at: datetime, **data: str
) -> dict[str, Any]:
    source = f"/{service.sku.lower()}/{service.tenant.lower()}"
    body = {"service_id": service.service_id, "meter": meter, **data}
    return cloud_event(USAGE, event_id, source, _stamp(at), body, service.tenant_id)


def _levels(
    service: DemoService, meter: str, average: Decimal, dice: random.Random
) -> Iterator[dict[str, Any]]:
    """A level every hour, in pairs above and below the average, so that the month's average is exact."""
    for hour in range(0, HOURS, 2):
        swing = Decimal(dice.randrange(0, 20_000)) / 1000
        for n, level in enumerate((average + swing, average - swing)):
            yield _event(
                service,
                meter,
                f"{meter}-{hour + n}",
                START + timedelta(hours=hour + n),
                quantity=str(level),
            )


def _distinct(
    service: DemoService, meter: str, n: int, dice: random.Random
) -> Iterator[dict[str, Any]]:
    for number in range(n):
        yield _event(
            service,
            meter,
            f"{meter}-{number}",
            _sometime(dice),
            value=f"{service.tenant}/{number:06d}",
        )


def _amounts(
    service: DemoService, meter: str, n: int, top: int, places: int, dice: random.Random
) -> Iterator[dict[str, Any]]:
    for number in range(n):
        amount = Decimal(dice.randrange(1, top)).scaleb(-places)
        yield _event(service, meter, f"{meter}-{number}", _sometime(dice), quantity=f"{amount:f}")


def _of(service: DemoService, dice: random.Random) -> Iterator[dict[str, Any]]:
    tenant = service.tenant
    match service.sku:
        case "ERP-CLOUD":
            yield from _distinct(service, "e_invoices", DOCUMENTS[tenant], dice)
        case "ECOM-SHOP":
            yield from _distinct(service, "orders", ORDERS[tenant], dice)
        case "MAIL-STD":
            yield from _levels(service, "mail_storage_overage_gb_month", STORAGE_GB[tenant], dice)
        case "BACKUP-PRO":
            yield from _levels(service, "backup_gb_month", BACKUP_GB[tenant], dice)
        case "VOIP-PBX":
            fixed, mobile = CALLS[tenant]
            yield from _amounts(service, "minutes_fixed", fixed, 900, 2, dice)
            yield from _amounts(service, "minutes_mobile", mobile, 600, 2, dice)
        case "CRM-TEAM":
            yield from _amounts(service, "api_calls", API_EVENTS[tenant], 10, 0, dice)


def _sender(service: DemoService) -> str:
    """Documents and shop orders come from the reseller's system; the rest from the services' back-end."""
    return service.reseller if service.sku in ("ERP-CLOUD", "ECOM-SHOP") else "backend"


def november(services: list[DemoService]) -> Sending:
    """All valid events of the month, with their duplicates, cut into batches in no particular order."""
    dice, sending = random.Random(SEED), Sending()  # noqa: S311 - a seeded story
    by_sender: dict[str, list[dict[str, Any]]] = {}
    for service in services:
        events = list(_of(service, dice))
        sending.valid += len(events)
        _expect(sending, service, events)
        again = [event for event in events if dice.randrange(DUPLICATE_ONE_IN) == 0]
        sending.duplicates += len(again)
        by_sender.setdefault(_sender(service), []).extend(_disordered(events, dice) + again)
    for sender, events in by_sender.items():
        sending.batches += [(sender, events[n : n + BATCH]) for n in range(0, len(events), BATCH)]
    dice.shuffle(sending.batches)
    sending.out_of_order = _out_of_order([event for _, batch in sending.batches for event in batch])
    return sending


def _out_of_order(events: Iterable[dict[str, Any]]) -> int:
    late, newest = 0, dict[str, str]()
    for event in events:
        late += event["time"] < newest.get(event["subject"], "")
        newest[event["subject"]] = max(event["time"], newest.get(event["subject"], ""))
    return late


def _disordered(events: list[dict[str, Any]], dice: random.Random) -> list[dict[str, Any]]:
    """Half as they happened, half shuffled."""
    middle = len(events) // 2
    late = events[middle:]
    dice.shuffle(late)
    return sorted(events[:middle], key=lambda event: event["time"]) + late


def _expect(sending: Sending, service: DemoService, events: list[dict[str, Any]]) -> None:
    for event in events:
        data = event["data"]
        if "gb_month" in data["meter"]:
            continue
        key = (service.tenant, data["meter"])
        sending.quantities[key] = sending.quantities.get(key, Decimal(0)) + Decimal(
            data.get("quantity", "1")
        )


@dataclass(frozen=True, slots=True)
class Wrong:
    """A request that must be refused at the door, and the reason it must be given."""

    what: str
    reason: str
    body: bytes
    content_type: str = STRUCTURED


def wrong(own: DemoService, foreign: DemoService) -> list[Wrong]:
    """What must be refused at the door. The sender is `own`'s reseller."""

    def good(
        event_id: str, data: Mapping[str, Any] | None = None, **changes: Any
    ) -> dict[str, Any]:
        event = _event(own, "e_invoices", event_id, START + timedelta(days=3), value="2026/wrong")
        return {**event, **changes, "data": {**event["data"], **(data or {})}}

    def amount(event_id: str, quantity: str) -> dict[str, Any]:
        return good(event_id, {"value": None, "quantity": quantity})

    nameless = {name: value for name, value in good("w-10").items() if name != "id"}
    events = (
        (
            "another's tenant",
            "wrong_tenant",
            _event(foreign, "e_invoices", "w-1", START, value="2026/foreign"),
        ),
        ("negative quantity", "bad_data", amount("w-2", "-1")),
        ("not a number", "bad_data", amount("w-3", "NaN")),
        ("too precise", "bad_data", amount("w-4", "0.1234567890123")),
        ("time without a zone", "bad_time", good("w-5", time="2026-11-03T10:00:00")),
        ("time in the future", "time_in_future", good("w-6", time="2027-03-03T10:00:00Z")),
        ("NUL in a text", "bad_text", good("w-7", {"value": "a\x00b"})),
        ("unknown meter", "unknown_meter", good("w-8", {"meter": "sunshine"})),
        (
            "unknown service",
            "unknown_service",
            good("w-9", {"service_id": "00000000-0000-0000-0000-000000000000"}),
        ),
        ("no id", "bad_envelope", nameless),
        ("extra field", "bad_data", good("w-11", {"discount": "100"})),
        ("unknown type", "unknown_type", good("w-12", type="vicino.usage.invented.v1")),
        (
            "a number where a document belongs",
            "wrong_value",
            _event(own, "e_invoices", "w-13", START + timedelta(days=2), quantity="5"),
        ),
    )
    return [
        *(Wrong(what, reason, json.dumps(event).encode()) for what, reason, event in events),
        Wrong("not JSON", "not_json", b'{"specversion": "1.0",'),
        Wrong(
            "wrong content type",
            "bad_content_type",
            b"usage=1",
            "application/x-www-form-urlencoded",
        ),
    ]


def wrong_behind_the_door(own: DemoService) -> list[dict[str, Any]]:
    """Events that the door cannot judge: ids used again for something else."""
    return [
        _event(
            own,
            "e_invoices",
            "e_invoices-0",
            START + timedelta(days=1),
            value="2026/another-document",
        ),
        _event(
            own, "e_invoices", "e_invoices-1", START + timedelta(days=1), value="2026/yet-another"
        ),
    ]
