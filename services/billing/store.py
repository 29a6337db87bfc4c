"""Billing's statements (`queries.sql`), typed."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncpg

from schemas.catalogue import Plan
from schemas.tenants import TaxProfile
from services.billing.domain.agreed_prices import AgreedPrice
from services.billing.domain.caps import Cap
from services.billing.domain.commission import Assignment, Contract, ContractModel
from services.billing.domain.corrections import BilledUse
from services.billing.domain.documents import Billing, Original, ServiceCharge
from services.billing.domain.ledger import BookedFor, Transfer
from services.billing.domain.model import BilledService, BilledTenant
from services.billing.domain.periods import Days
from services.billing.domain.quantities import QuantityFact
from services.billing.domain.recurring import Billed
from services.billing.domain.tax import ProfileSince
from services.billing.domain.tenant_caps import TenantCap
from services.chassis.database import Connection, load_queries
from services.chassis.store import collect

sql = load_queries(Path(__file__).parent / "queries.sql")

ALWAYS = datetime.max.replace(tzinfo=UTC)
"""As of this instant, everything counts that is stored."""


def _tenant(row: asyncpg.Record) -> BilledTenant:
    return BilledTenant(**dict(row) | {"zone": ZoneInfo(row["zone"])})


async def tenant(db: Connection, tenant_id: str) -> BilledTenant | None:
    """A tenant."""
    row = await sql.tenant(db, id=tenant_id)
    return None if row is None else _tenant(row)


async def lock_tenant(db: Connection, tenant_id: str) -> BilledTenant:
    """A tenant that is known to be here, held alone: nothing of it is counted meanwhile."""
    return _tenant(await sql.lock_tenant(db, id=tenant_id))


async def lock_if_known(db: Connection, tenant_id: str) -> BilledTenant | None:
    """A tenant, held alone, if there is one. To hold it shared first would deadlock two who do."""
    row = await sql.lock_tenant(db, id=tenant_id)
    return None if row is None else _tenant(row)


async def tenants(db: Connection) -> list[BilledTenant]:
    """All tenants, in order."""
    return [_tenant(row) for row in await collect(sql.tenants(db))]


async def tenants_beyond(db: Connection, tenant_id: str, limit: int) -> list[BilledTenant]:
    """The next tenants after an id, in order."""
    return [
        _tenant(row) for row in await collect(sql.tenants_beyond(db, id=tenant_id, limit=limit))
    ]


async def services(db: Connection, tenant_id: str) -> list[BilledService]:
    """A tenant's services, in the order documents show them."""
    return [
        BilledService(
            row["id"], row["activated_at"], Plan.model_validate(row["plan"]), row["currency"]
        )
        for row in await collect(sql.services(db, tenant_id=tenant_id))
    ]


async def quantity_facts(db: Connection, service_id: str, as_of: datetime) -> list[QuantityFact]:
    """A service's quantities over time, in the order of arrival: what was stored up to an instant."""
    found = await collect(sql.quantity_facts(db, service_id=service_id, as_of=as_of))
    return [QuantityFact(row["name"], row["effective_at"], row["quantity"]) for row in found]


async def billed(db: Connection, service_id: str) -> dict[str, list[Billed]]:
    """What was billed of a service's recurring components (`SKU/code`)."""
    found: dict[str, list[Billed]] = {}
    for row in await collect(sql.billed(db, service_id=service_id)):
        found.setdefault(row["component"], []).append(
            Billed(Days(row["day_from"], row["day_to"]), row["units_billed"], row["net"])
        )
    return found


async def billed_usage(
    db: Connection, tenant_id: str, month: date
) -> dict[tuple[str, str, str], list[BilledUse]]:
    """What was billed of a tenant's usage of the month that begins on a day, by service, component and meters."""
    found: dict[tuple[str, str, str], list[BilledUse]] = {}
    for row in await collect(sql.billed_usage(db, tenant_id=tenant_id, month=month)):
        found.setdefault((row["service_id"], row["component"], row["meter"]), []).append(
            BilledUse(row["quantity"], row["unit_price"], row["net"])
        )
    return found


async def caps(db: Connection, tenant_id: str, as_of: datetime) -> list[Cap]:
    """A tenant's caps, in the order of arrival: what was stored up to an instant."""
    return [
        Cap(**dict(row) | {"meters": tuple(row["meters"])})
        for row in await collect(sql.caps(db, tenant_id=tenant_id, as_of=as_of))
    ]


async def tenant_caps(db: Connection, tenant_id: str, as_of: datetime) -> list[TenantCap]:
    """Caps on a tenant's whole month, in the order of arrival: what was stored up to an instant."""
    return [
        TenantCap(**dict(row))
        for row in await collect(sql.tenant_caps(db, tenant_id=tenant_id, as_of=as_of))
    ]


async def agreed_prices(db: Connection, tenant_id: str, as_of: datetime) -> list[AgreedPrice]:
    """Prices agreed with a tenant, in the order of arrival: what was stored up to an instant."""
    return [
        AgreedPrice(row["sku"], row["code"], row["since"], row["until"], row["price"])
        for row in await collect(sql.agreed_prices(db, tenant_id=tenant_id, as_of=as_of))
    ]


async def assignments(db: Connection, tenant_id: str, as_of: datetime) -> list[Assignment]:
    """Who served a tenant when, in the order of arrival: what was stored up to an instant."""
    found = await collect(sql.assignments(db, tenant_id=tenant_id, as_of=as_of))
    return [Assignment(**dict(row)) for row in found]


async def contracts(db: Connection, reseller_id: str, as_of: datetime) -> list[Contract]:
    """A reseller's contracts, in the order of arrival: what was stored up to an instant."""
    return [
        Contract(**dict(row) | {"model": ContractModel(row["model"])})
        for row in await collect(sql.contracts(db, reseller_id=reseller_id, as_of=as_of))
    ]


async def tax_profiles(db: Connection, tenant_id: str, as_of: datetime) -> list[ProfileSince]:
    """How a tenant's documents are taxed, in the order of arrival: what was stored up to an instant."""
    return [
        ProfileSince(row["since"], TaxProfile(row["profile"]))
        for row in await collect(sql.tax_profiles(db, tenant_id=tenant_id, as_of=as_of))
    ]


async def originals(db: Connection, tenant_id: str) -> list[Original]:
    """A tenant's invoices that can be credited, newest first."""
    return [
        Original(
            row["id"], row["number"], row["issued_on"], row["currency"], row["left"],
            frozenset(map(Billing, row["services"], row["components"], row["months"])),
        )
        for row in await collect(sql.originals(db, tenant_id=tenant_id))
    ]  # fmt: skip


async def add_charges(
    db: Connection, invoice_id: str | None, tenant_id: str, charges: Sequence[ServiceCharge]
) -> None:
    """Charges into the ledger; None: they are on no document."""
    found = [one.charge for one in charges]
    await sql.add_charges(
        db, invoice_id=invoice_id, tenant_id=tenant_id, services=[one.service_id for one in charges],
        kinds=[one.kind for one in found], components=[one.component for one in found], meters=[one.meter for one in found],
        descriptions=[one.description for one in found], quantities=[one.quantity for one in found],
        unit_prices=[one.unit_price for one in found], nets=[one.net for one in found],
        firsts=[one.days.start for one in found], ends=[one.days.end for one in found],
        units=[one.units_billed for one in found],
    )  # fmt: skip


async def book(
    db: Connection, cause: BookedFor, transfers: Sequence[Transfer], stored_at: datetime
) -> None:
    """Transfers into the ledger. Raises `UniqueViolationError` for a cause that was booked before."""
    await sql.add_transfers(
        db, cause=cause.kind, cause_id=cause.id, party=cause.party, currency=cause.currency, booked_on=cause.booked_on,
        stored_at=stored_at, debits=[one.debit for one in transfers], credits=[one.credit for one in transfers],
        amounts=[one.amount for one in transfers],
    )  # fmt: skip
