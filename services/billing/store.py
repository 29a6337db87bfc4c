"""Billing's statements (`queries.sql`), typed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import asyncpg

from schemas.billing import InvoiceIssued
from schemas.catalogue import Plan
from schemas.tenants import LifeState, TaxProfile
from services.billing.domain.agreed_prices import AgreedPrice
from services.billing.domain.caps import Cap
from services.billing.domain.commission import Assignment, Commission, Contract, ContractModel
from services.billing.domain.corrections import BilledUse
from services.billing.domain.documents import Billing, Original, ServiceCharge
from services.billing.domain.ledger import BookedFor, Transfer
from services.billing.domain.model import BilledService, BilledTenant
from services.billing.domain.periods import Days
from services.billing.domain.quantities import QuantityFact
from services.billing.domain.recurring import Billed
from services.billing.domain.service_life import StateFact
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


@dataclass(frozen=True, slots=True)
class AsOf:
    """Somebody, and the instant up to which what was stored about them counts."""

    id: str
    as_of: datetime = ALWAYS


def _columns(asked: Sequence[AsOf], name: str = "tenants") -> dict[str, list[Any]]:
    return {name: [one.id for one in asked], "as_ofs": [one.as_of for one in asked]}


async def services_of(db: Connection, tenants: Sequence[str]) -> dict[str, list[BilledService]]:
    """Tenants' services, in the order documents show them."""
    found: dict[str, list[BilledService]] = {one: [] for one in tenants}
    for row in await collect(sql.services(db, tenants=tenants)):
        plan = Plan.model_validate(row["plan"])
        found[row["tenant_id"]].append(
            BilledService(row["id"], row["activated_at"], plan, row["currency"])
        )
    return found


async def services(db: Connection, tenant_id: str) -> list[BilledService]:
    """A tenant's services, in the order documents show them."""
    return (await services_of(db, [tenant_id]))[tenant_id]


async def quantity_facts(db: Connection, asked: Sequence[AsOf]) -> dict[str, list[QuantityFact]]:
    """Quantities over time, by service, in the order of arrival."""
    found: dict[str, list[QuantityFact]] = {one.id: [] for one in asked}
    for row in await collect(sql.quantity_facts(db, **_columns(asked, "services"))):
        fact = QuantityFact(row["name"], row["effective_at"], row["quantity"])
        found[row["service_id"]].append(fact)
    return found


async def state_facts(db: Connection, asked: Sequence[AsOf]) -> dict[str, list[StateFact]]:
    """What services were over time, by service, in the order of arrival."""
    found: dict[str, list[StateFact]] = {one.id: [] for one in asked}
    for row in await collect(sql.state_facts(db, **_columns(asked, "services"))):
        found[row["service_id"]].append(StateFact(LifeState(row["state"]), row["effective_at"]))
    return found


async def billed(db: Connection, service_ids: Sequence[str]) -> dict[str, dict[str, list[Billed]]]:
    """What was billed of recurring components (`SKU/code`), by service."""
    found: dict[str, dict[str, list[Billed]]] = {one: {} for one in service_ids}
    for row in await collect(sql.billed(db, services=service_ids)):
        found[row["service_id"]].setdefault(row["component"], []).append(
            Billed(Days(row["day_from"], row["day_to"]), row["units_billed"], row["net"])
        )
    return found


async def set_up(db: Connection, service_ids: Sequence[str]) -> set[str]:
    """The services whose set-up fee was charged."""
    return {row["service_id"] for row in await collect(sql.set_up(db, services=service_ids))}


UsageBilled: TypeAlias = Mapping[tuple[str, str, str], Sequence[BilledUse]]
"""What was billed of a month's usage, by service, component and meters."""


async def billed_usage(
    db: Connection, asked: Sequence[tuple[str, date]]
) -> dict[tuple[str, date], UsageBilled]:
    """What was billed of tenants' usage of months, each named by its first day."""
    found: dict[tuple[str, date], dict[tuple[str, str, str], list[BilledUse]]] = {
        one: {} for one in asked
    }
    columns = {"tenants": [one for one, _ in asked], "months": [month for _, month in asked]}
    for row in await collect(sql.billed_usage(db, **columns)):
        of_month = found[row["tenant_id"], row["month"]]
        of_month.setdefault((row["service_id"], row["component"], row["meter"]), []).append(
            BilledUse(row["quantity"], row["unit_price"], row["net"])
        )
    return dict(found)


async def oldest_dirty(db: Connection, tenants: Sequence[str]) -> dict[str, date]:
    """The oldest month that is to be rated again, of tenants that have one."""
    return {
        row["tenant_id"]: row["month"]
        for row in await collect(sql.oldest_dirty(db, tenants=tenants))
    }


async def caps_of(db: Connection, asked: Sequence[AsOf]) -> dict[str, list[Cap]]:
    """Tenants' caps, in the order of arrival."""
    found: dict[str, list[Cap]] = {one.id: [] for one in asked}
    for row in await collect(sql.caps(db, **_columns(asked))):
        found[row["tenant_id"]].append(
            Cap(row["service_id"], tuple(row["meters"]), row["since"], row["amount"], row["is_hard"], row["spent"])
        )  # fmt: skip
    return found


async def caps(db: Connection, tenant_id: str, as_of: datetime) -> list[Cap]:
    """A tenant's caps, in the order of arrival: what was stored up to an instant."""
    return (await caps_of(db, [AsOf(tenant_id, as_of)]))[tenant_id]


async def tenant_caps_of(db: Connection, asked: Sequence[AsOf]) -> dict[str, list[TenantCap]]:
    """Caps on tenants' whole months, in the order of arrival."""
    found: dict[str, list[TenantCap]] = {one.id: [] for one in asked}
    for row in await collect(sql.tenant_caps(db, **_columns(asked))):
        found[row["tenant_id"]].append(
            TenantCap(row["currency"], row["since"], row["amount"], row["is_hard"], row["spent"])
        )
    return found


async def tenant_caps(db: Connection, tenant_id: str, as_of: datetime) -> list[TenantCap]:
    """Caps on a tenant's whole month, in the order of arrival: what was stored up to an instant."""
    return (await tenant_caps_of(db, [AsOf(tenant_id, as_of)]))[tenant_id]


async def agreed_prices_of(db: Connection, asked: Sequence[AsOf]) -> dict[str, list[AgreedPrice]]:
    """Prices agreed with tenants, in the order of arrival."""
    found: dict[str, list[AgreedPrice]] = {one.id: [] for one in asked}
    for row in await collect(sql.agreed_prices(db, **_columns(asked))):
        found[row["tenant_id"]].append(
            AgreedPrice(row["sku"], row["code"], row["since"], row["until"], row["price"])
        )
    return found


async def agreed_prices(db: Connection, tenant_id: str, as_of: datetime) -> list[AgreedPrice]:
    """Prices agreed with a tenant, in the order of arrival: what was stored up to an instant."""
    return (await agreed_prices_of(db, [AsOf(tenant_id, as_of)]))[tenant_id]


async def assignments(db: Connection, asked: Sequence[AsOf]) -> dict[str, list[Assignment]]:
    """Who served tenants when, in the order of arrival."""
    found: dict[str, list[Assignment]] = {one.id: [] for one in asked}
    for row in await collect(sql.assignments(db, **_columns(asked))):
        found[row["tenant_id"]].append(Assignment(row["since"], row["reseller_id"]))
    return found


async def contracts_of(db: Connection, asked: Sequence[AsOf]) -> dict[AsOf, list[Contract]]:
    """Resellers' contracts, in the order of arrival."""
    found: dict[AsOf, list[Contract]] = {one: [] for one in asked}
    for row in await collect(sql.contracts(db, **_columns(asked, "resellers"))):
        found[asked[row["place"] - 1]].append(
            Contract(row["since"], ContractModel(row["model"]), row["rate_percent"], row["first_year_uplift_percent"])
        )  # fmt: skip
    return found


async def contracts(db: Connection, reseller_id: str, as_of: datetime) -> list[Contract]:
    """A reseller's contracts, in the order of arrival: what was stored up to an instant."""
    [found] = (await contracts_of(db, [AsOf(reseller_id, as_of)])).values()
    return found


async def first_starts(db: Connection, tenants: Sequence[str]) -> dict[str, datetime]:
    """When the first service was activated, of tenants that have one."""
    return {
        row["tenant_id"]: row["at"] for row in await collect(sql.first_starts(db, tenants=tenants))
    }


async def tax_profiles_of(db: Connection, asked: Sequence[AsOf]) -> dict[str, list[ProfileSince]]:
    """How tenants' documents are taxed, in the order of arrival."""
    found: dict[str, list[ProfileSince]] = {one.id: [] for one in asked}
    for row in await collect(sql.tax_profiles(db, **_columns(asked))):
        found[row["tenant_id"]].append(ProfileSince(row["since"], TaxProfile(row["profile"])))
    return found


async def tax_profiles(db: Connection, tenant_id: str, as_of: datetime) -> list[ProfileSince]:
    """How a tenant's documents are taxed, in the order of arrival: what was stored up to an instant."""
    return (await tax_profiles_of(db, [AsOf(tenant_id, as_of)]))[tenant_id]


async def originals(db: Connection, tenant_id: str) -> list[Original]:
    """A tenant's invoices that can be credited, newest first."""
    return [
        Original(
            row["id"], row["number"], row["issued_on"], row["currency"], row["left"],
            frozenset(map(Billing, row["services"], row["components"], row["months"])),
        )
        for row in await collect(sql.originals(db, tenant_id=tenant_id))
    ]  # fmt: skip


async def lock_free_tenants(db: Connection, tenants: Sequence[str]) -> list[BilledTenant]:
    """Of these tenants, those that nobody holds: held alone, without waiting for any."""
    return [_tenant(row) for row in await collect(sql.lock_free_tenants(db, ids=tenants))]


async def hold_runs_beside(
    db: Connection, tenant_id: str, boundary: date, now: datetime, limit: int
) -> dict[str, datetime]:
    """Other tenants' runs of a boundary that are due and that nobody is making: up to when what was stored counts in each."""
    found = sql.hold_runs_beside(db, tenant_id=tenant_id, boundary=boundary, now=now, limit=limit)
    return {row["tenant_id"]: row["as_of"] for row in await collect(found)}


async def add_invoices(
    db: Connection, found: Sequence[tuple[str, date, InvoiceIssued, str | None]]
) -> None:
    """Documents, final: whose, of which boundary, and which one they correct."""
    await sql.add_invoices(
        db, ids=[one.invoice_id for _, _, one, _ in found], tenants=[tenant for tenant, *_ in found],
        boundaries=[boundary for _, boundary, *_ in found], days=[one.date for _, _, one, _ in found],
        numbers=[one.number for _, _, one, _ in found], types=[one.tipo_documento for _, _, one, _ in found],
        originals=[corrects for *_, corrects in found], documents=[one.model_dump_json() for _, _, one, _ in found],
    )  # fmt: skip


async def add_charges(
    db: Connection, found: Sequence[tuple[str | None, str, ServiceCharge]]
) -> None:
    """Charges into the ledger: of which document (None: they are on none), of which tenant."""
    charges = [one.charge for _, _, one in found]
    await sql.add_charges(
        db, invoices=[invoice for invoice, *_ in found], tenants=[tenant for _, tenant, _ in found],
        services=[one.service_id for _, _, one in found], kinds=[one.kind for one in charges],
        components=[one.component for one in charges], meters=[one.meter for one in charges],
        descriptions=[one.description for one in charges], quantities=[one.quantity for one in charges],
        unit_prices=[one.unit_price for one in charges], nets=[one.net for one in charges],
        firsts=[one.days.start for one in charges], ends=[one.days.end for one in charges],
        units=[one.units_billed for one in charges],
    )  # fmt: skip


async def add_commissions(db: Connection, found: Sequence[tuple[str, Commission]]) -> None:
    """What resellers earn of the lines of documents."""
    rows = [(invoice, one.reseller_id, line) for invoice, one in found for line in one.lines]
    await sql.add_commissions(
        db, invoices=[invoice for invoice, *_ in rows], lines=[line.n for *_, line in rows],
        resellers=[reseller for _, reseller, _ in rows], nets=[line.net for *_, line in rows],
        bases=[line.base for *_, line in rows], uplifts=[line.uplift for *_, line in rows],
    )  # fmt: skip


async def book(
    db: Connection, found: Sequence[tuple[BookedFor, Sequence[Transfer]]], stored_at: datetime
) -> None:
    """Transfers into the ledger. Raises `UniqueViolationError` for a cause that was booked before."""
    rows = [(cause, one) for cause, transfers in found for one in transfers]
    await sql.add_transfers(
        db, causes=[cause.kind for cause, _ in rows], cause_ids=[cause.id for cause, _ in rows],
        parties=[cause.party for cause, _ in rows], currencies=[cause.currency for cause, _ in rows],
        days=[cause.booked_on for cause, _ in rows], stored_at=stored_at, debits=[one.debit for _, one in rows],
        credits=[one.credit for _, one in rows], amounts=[one.amount for _, one in rows],
    )  # fmt: skip
