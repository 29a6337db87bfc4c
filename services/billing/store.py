"""Billing's statements (`queries.sql`), typed."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from schemas.catalogue import Meter
from services.billing.domain.aggregation import Sample
from services.billing.domain.charges import Charge
from services.billing.domain.periods import Days, civil_day
from services.billing.domain.recurring import Billed, Change
from services.chassis.database import Connection, load_queries
from services.chassis.store import rows

if TYPE_CHECKING:
    from services.billing.usage import Arrival

sql = load_queries(Path(__file__).parent / "queries.sql")


async def meters(db: Connection) -> dict[str, Meter]:
    """All meters, by key."""
    return {row["key"]: Meter.model_validate(row["meter"]) for row in await rows(sql.meters(db))}


async def count_usage(db: Connection, arrivals: "Sequence[Arrival]") -> set[UUID]:
    """Count events; returns the keys that were new."""
    events = [arrival.event for arrival in arrivals]
    found = sql.count_usage(
        db, keys=[arrival.key for arrival in arrivals], hashes=[arrival.payload_hash for arrival in arrivals],
        tenants=[event.subject for event in events], services=[event.data.service_id for event in events],
        meters=[event.data.meter for event in events], times=[event.time for event in events],
        quantities=[event.data.quantity for event in events], texts=[event.data.value for event in events],
    )  # fmt: skip
    return {UUID(int=row["event_key"].int) for row in await rows(found)}


async def park_usage(db: Connection, arrivals: "Sequence[Arrival]") -> set[UUID]:
    """Park events; returns the keys that were new."""
    found = sql.park_usage(
        db, keys=[arrival.key for arrival in arrivals], hashes=[arrival.payload_hash for arrival in arrivals],
        tenants=[arrival.event.subject for arrival in arrivals],
        services=[arrival.event.data.service_id for arrival in arrivals], raws=[arrival.raw for arrival in arrivals],
        parts=[arrival.log.part for arrival in arrivals], log_ids=[arrival.log.log_id for arrival in arrivals],
        positions=[arrival.offset for arrival in arrivals],
    )  # fmt: skip
    return {UUID(int=row["event_key"].int) for row in await rows(found)}


async def counted_hashes(db: Connection, keys: Sequence[UUID]) -> dict[UUID, int]:
    """What events counted or parked before said, by their hash."""
    found = await rows(sql.counted_hashes(db, keys=list(keys)))
    return {UUID(int=row["event_key"].int): row["payload_hash"] for row in found}


async def timeline(db: Connection, service_id: str, zone: ZoneInfo) -> list[Change]:
    """A service's quantities by civil day; of several changes on one day the last one holds."""
    by_day: dict[date, Change] = {}
    for row in await rows(sql.changes(db, service_id=service_id)):
        day = civil_day(row["effective_at"], zone)
        by_day[day] = Change(day, {meter: Decimal(n) for meter, n in row["quantities"].items()})
    return [by_day[day] for day in sorted(by_day)]


async def billed(db: Connection, service_id: str) -> dict[str, list[Billed]]:
    """The recurring units billed for a service, by meter."""
    found: dict[str, list[Billed]] = {}
    for row in await rows(sql.billed(db, service_id=service_id)):
        found.setdefault(row["meter"], []).append(Billed(Days(row["day_from"], row["day_to"]), row["units_billed"]))
    return found


async def samples(db: Connection, service_id: str, meter: str, start: datetime, end: datetime) -> list[Sample]:
    """The counted events of a meter in `[start, end)`, in order."""
    found = await rows(sql.samples(db, service_id=service_id, meter=meter, starts=start, ends=end))
    return [Sample(row["occurred_at"], str(row["event_key"]), row["quantity"], row["value"]) for row in found]


async def level_before(db: Connection, service_id: str, meter: str, instant: datetime) -> Decimal:
    """The level that held at an instant; 0 when nothing was measured before."""
    return await sql.level_before(db, service_id=service_id, meter=meter, instant=instant) or Decimal(0)


async def add_charge(db: Connection, invoice_id: str, tenant_id: str, service_id: str, charge: Charge) -> None:
    """A charge into the ledger."""
    await sql.add_charge(
        db, invoice_id=invoice_id, tenant_id=tenant_id, service_id=service_id, kind=charge.kind, component=charge.component,
        meter=charge.meter, description=charge.description, quantity=charge.quantity, unit_price=charge.unit_price,
        net=charge.net, day_from=charge.days.start, day_to=charge.days.end, units_billed=charge.units_billed,
    )  # fmt: skip
