"""The gateway's statements (`queries.sql`), typed where their rows become something."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg

from schemas.catalogue import Plan
from schemas.deliveries import Channel
from schemas.reasons import Reason
from services.chassis.database import Connection, load_queries
from services.chassis.store import collect
from services.gateway.domain.admission import (
    KnownService,
    KnownTenant,
    Principal,
    PrincipalKind,
)
from services.gateway.domain.cloudevents import Incoming
from services.gateway.domain.faults import Fault
from services.gateway.domain.keeping import kept_name, kept_pointer
from services.gateway.domain.model import NamedTenant, Notification, NotifiedReseller
from services.gateway.domain.schedule import DeliveryState

sql = load_queries(Path(__file__).parent / "queries.sql")

Answer = dict[str, str]
ANSWER_FIELDS = ("source", "id", "type", "tenant_id", "order_id")
"""In this order: `jsonb` keeps none, and the same answer again means the same bytes."""


class Plans(NamedTuple):
    """All plans by SKU, which of them are on sale, what usage of them is measured by, and the revision that stands."""

    known: dict[str, Plan]
    on_sale: frozenset[str]
    measured: dict[str, frozenset[str]]
    """By SKU: the measured names that usage of the plan may come under."""
    needs: dict[str, frozenset[str]]
    """What events of a measured name may have to carry (`measuring.py`)."""
    revision: int


class Accepted(NamedTuple):
    """An order that was accepted: what it said, what was answered, and its key and sealed message while it is in flight."""

    content_hash: bytes
    answer: Answer
    key: bytes | None = None
    message: bytes | None = None


def _notification(row: asyncpg.Record) -> Notification:
    known = {"channel": Channel(row["channel"]), "state": DeliveryState(row["state"])}
    return Notification(**dict(row) | known)


async def notification(db: Connection, notification_id: str) -> Notification:
    """A notification to be sent, which is here."""
    return _notification(await sql.notification(db, id=notification_id))


async def settle_notification(
    db: Connection, notification_id: str, state: DeliveryState, answer: str, at: datetime
) -> Notification:
    """Keep what became of a notification."""
    return _notification(
        await sql.settle_notification(db, id=notification_id, state=state, answer=answer, at=at)
    )


async def reseller(db: Connection, reseller_id: str) -> NotifiedReseller | None:
    """A reseller."""
    row = await sql.reseller(db, id=reseller_id)
    return None if row is None else NotifiedReseller(**dict(row))


async def tenant(db: Connection, tenant_id: str) -> NamedTenant | None:
    """A tenant."""
    row = await sql.tenant(db, id=tenant_id)
    return None if row is None else NamedTenant(**dict(row))


async def plans(db: Connection) -> Plans:
    """The catalogue as it stands; read it in one snapshot."""
    found = [
        (Plan.model_validate(row["plan"]), row["on_sale"]) for row in await collect(sql.plans(db))
    ]
    on_sale = frozenset(plan.sku for plan, is_sold in found if is_sold)
    names: dict[str, frozenset[str]] = {}
    needs: dict[str, frozenset[str]] = {}
    for row in await collect(sql.meter_names(db)):
        names[row["meter"]] = names.get(row["meter"], frozenset()) | {row["name"]}
        needs[row["name"]] = needs.get(row["name"], frozenset()) | set(row["needs"])
    known = {plan.sku: plan for plan, _ in found}
    measured = {sku: _measured(plan, names) for sku, plan in known.items()}
    return Plans(known, on_sale, measured, needs, int(await sql.revision(db)))


def _measured(plan: Plan, names: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """What the meters of a plan read, or have ever read. One that nothing is known of reads its own key."""
    keys = {price.meter for price in plan.usage}
    return frozenset(name for key in keys for name in names.get(key, {key}))


Held = tuple[Principal, bytes]
"""The holder of a key, and what is kept of its secret."""


async def keys(db: Connection, ids: Sequence[str]) -> dict[str, Held]:
    """The keys among `ids`."""
    return {
        row["id"]: (
            Principal(PrincipalKind(row["kind"]), row["principal"], frozenset(row["skus"])),
            row["secret_hash"],
        )
        for row in await collect(sql.keys(db, ids=list(ids)))
    }


async def tenants(db: Connection, ids: Sequence[str]) -> dict[str, KnownTenant]:
    """The tenants among `ids`."""
    return {
        row["id"]: KnownTenant(row["reseller_id"])
        for row in await collect(sql.tenants(db, ids=list(ids)))
    }


async def resellers_among(db: Connection, ids: Iterable[str]) -> set[str]:
    """Those of these names that are resellers'."""
    return {row["id"] for row in await collect(sql.resellers_among(db, ids=sorted(ids)))}


async def alerts(db: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Whose the alerts among `ids` are: the tenant of each."""
    return {row["id"]: row["tenant_id"] for row in await collect(sql.alerts(db, ids=list(ids)))}


async def services(db: Connection, ids: Sequence[str]) -> dict[str, KnownService]:
    """The service instances among `ids`."""
    found = await collect(sql.services(db, ids=list(ids)))
    return {row["id"]: KnownService(row["tenant_id"], row["sku"], row["ended_at"]) for row in found}


async def accepted_orders(
    db: Connection, principal: str, names: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Accepted]:
    """Those of the orders named by (source, id) that this principal sent before."""
    sources, ids = [source for source, _ in names], [id_ for _, id_ in names]
    found = await collect(sql.accepted_orders(db, principal=principal, sources=sources, ids=ids))
    return {
        (row["source"], row["id"]): Accepted(
            row["content_hash"], _in_order(row["answer"]), row["key"], row["message"]
        )
        for row in found
    }


async def orders_sent(db: Connection, principal: str, names: Sequence[tuple[str, str]]) -> None:
    """Note that Kafka has these orders, named by (source, id)."""
    sources, ids = [source for source, _ in names], [id_ for _, id_ in names]
    await sql.orders_sent(db, principal=principal, sources=sources, ids=ids)


def _in_order(answer: Answer) -> Answer:
    return {name: answer[name] for name in ANSWER_FIELDS}


async def add_refusals(
    db: Connection,
    at: datetime,
    principal: str,
    faults: Sequence[Fault],
    events: Sequence[Incoming],
) -> None:
    """Keep what was refused, with the id the sender gave, where it could be read and looks like one."""
    named = {event.index: event.attributes for event in events}
    await sql.add_refusals(
        db, at=at, principal=principal,
        sources=[kept_name(named.get(fault.index, {}).get("source")) for fault in faults],
        ids=[kept_name(named.get(fault.index, {}).get("id")) for fault in faults],
        indexes=[fault.index for fault in faults], pointers=[kept_pointer(fault.pointer) for fault in faults],
        reasons=[fault.reason for fault in faults], details=[fault.detail for fault in faults],
    )  # fmt: skip


async def count_refusals(db: Connection, counts: Mapping[Reason, int]) -> None:
    """Count faults for ever; sorted, so that two requests at once take the rows in the same order."""
    totals = sorted((reason.value, n) for reason, n in counts.items())
    await sql.count_refusals(
        db, reasons=[reason for reason, _ in totals], numbers=[n for _, n in totals]
    )
