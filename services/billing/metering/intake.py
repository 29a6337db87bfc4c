"""Counting usage: one slice of a partition, set by set, in the slice's transaction.

1. Every record is read; what cannot be is rejected with its reason. 2. What was counted before is a duplicate or, with
other content, a reject. 3. The tenants are held shared, so that no invoice closes and nothing is rebuilt meanwhile, and
each event is judged: countable, to be parked (what it is about is not known yet), or rejected. 4. Keys are taken; where
another partition was faster with one, it was counted before after all. 5. The new ones are kept as a block, added to
their buckets, and the account of outcomes is written. Committed together with the offset: sent = counted + duplicates +
rejected + parked, exactly.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from schemas.envelope import Malformed
from schemas.topics import USAGE
from services.billing import metrics
from services.billing.domain.meters import Meters
from services.billing.domain.usage import WAITS, Service, Window, judge
from services.billing.metering.adding import QUARTER, Groups, add_late, add_up, group, measurable
from services.billing.metering.arrivals import Arrival, read, read_carefully
from services.billing.metering.blocks import Block, pack
from services.billing.metering.days import Days
from services.billing.metering.keys import Keys, Known, as_bigint, generations
from services.billing.metering.knowledge import Knowledge, Tenant, hold_tenants
from services.billing.metering.store import sql
from services.billing.metering.writing import write, write_late
from services.billing.store import sql as billing
from services.chassis.database import Connection
from services.chassis.engine.slices import Slice, SliceUnit
from services.chassis.failpoints import reach
from services.chassis.store import Log, Reject, keep_rejects, rows

EARLY_MAX = timedelta(minutes=5)
ID_REUSE = "id_reuse"
PARKED_PART = -1
"""The account's row for events that were parked first."""

CATALOGUE = "catalogue"
"""What an event waits for that was let in under a newer catalogue than is known here."""

EXPLAINED = {
    ID_REUSE: "this id came before with other content",
    "wrong_tenant": "the service belongs to another tenant",
    "meter_unknown": "no meter of the service's plan reads this",
    "wrong_value": "the meter wants a quantity, or a value, and got the other",
    "in_future": "it would have happened in the future",
    "too_late": "it happened before the accepted horizon",
    "before_activation": "the service was not active yet",
}


@dataclass(slots=True)
class Account:
    """What became of each record, and why."""

    tally: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: list[tuple[Arrival, str, str]] = field(default_factory=list)

    def add(self, outcome: str, reason: str = "", n: int = 1) -> None:
        """So many more."""
        self.tally[(outcome, reason)] += n

    def refuse(self, arrival: Arrival, reason: str, detail: str = "") -> None:
        """One that was read, and cannot count."""
        self.add("rejected", reason)
        self.refused.append((arrival, reason, detail or EXPLAINED.get(reason, reason)))

    async def write(self, db: Connection, part: int) -> None:
        """Into the account of the partition, and the metrics."""
        entries = [(outcome, reason, n) for (outcome, reason), n in self.tally.items() if n]
        if not entries:
            return
        outcomes, reasons, ns = zip(*entries, strict=True)
        await billing.add_tally(db, part=part, outcomes=outcomes, reasons=reasons, ns=ns)
        for outcome, reason, n in entries:
            metrics.USAGE.labels(outcome, reason).inc(max(n, 0))  # what leaves the parked ones is counted elsewhere


class Intake:
    """Counts usage, for one process: it remembers what it knows of services and series.

    `late_days`: usage older than this is rejected. `window_days`: how long, at least, an id is known. `wait_for_disk`:
    whether a slice is committed when PostgreSQL has it on disk; else a crash may take back the last of them, with their
    offsets, and they are counted again from Kafka.
    """

    def __init__(self, late_days: int, window_days: int, wait_for_disk: bool = True) -> None:
        self._late, self._window = timedelta(days=late_days), timedelta(days=window_days)
        self._wait_for_disk = wait_for_disk
        self._knowledge, self._keys, self._days = Knowledge(), Keys(), Days()

    async def take_slice(self, piece: Slice, unit: SliceUnit) -> None:
        """Count a slice of usage, each event once."""
        if not self._wait_for_disk:
            await unit.db.execute("set local synchronous_commit = off")
        account, arrivals = Account(), []
        for record in piece.records:
            try:
                arrivals.append(read(record.value or b"", record.offset))
            except Malformed as fault:
                account.add("rejected", fault.reason)
                unit.reject(record, fault.reason, fault.detail)
        await self._count(unit.db, arrivals, unit.now, account, piece.log)
        if account.refused:
            records = {record.offset: record for record in piece.records}
            for arrival, reason, detail in account.refused:
                unit.reject(records[arrival.offset], reason, detail, arrival.tenant_id)
        await account.write(unit.db, piece.log.part)

    async def count_parked(self, db: Connection, waits_for: str, now: datetime) -> None:
        """Count what waited for a service or the catalogue; what is rejected after all is kept where it came from."""
        waiting = await rows(sql.unpark(db, waits_for=waits_for))
        if not waiting:
            return
        alone = Intake(self._late.days, self._window.days)  # log by log it finds what it has made, and may yet lose it
        for log in {Log(USAGE.name, row["part"], row["log_id"]) for row in waiting}:
            mine = [row for row in waiting if (row["part"], row["log_id"]) == (log.part, log.log_id)]
            account = Account()
            account.add("parked", n=-len(mine))
            arrivals = [read(row["raw"], row["position"]) for row in mine]
            await alone._count(db, arrivals, now, account, log, hold=waits_for != CATALOGUE)
            await keep_rejects(
                db,
                [
                    Reject(log, arrival.offset, arrival.tenant_id, reason, detail, None, arrival.raw)
                    for arrival, reason, detail in account.refused
                ],
            )
            await account.write(db, PARKED_PART)

    async def _count(
        self, db: Connection, arrivals: Sequence[Arrival], now: datetime, account: Account, log: Log, hold: bool = True
    ) -> None:
        """`hold`: keep a newer catalogue out meanwhile. What waits for one is looked at again when it is here, anyway."""
        where = await generations(db, now, self._window)
        arrivals = _fresh(arrivals, await self._keys.look(db, where, arrivals), account)
        if not arrivals:
            return
        tenants = await hold_tenants(db, {arrival.tenant_id for arrival in arrivals})
        await self._look_around(db, max(arrival.revision for arrival in arrivals) if hold else 0)
        services = await self._knowledge.services(db, {arrival.service_id for arrival in arrivals})
        if new := {a.tenant_id for a in arrivals if a.tenant_id not in tenants and a.service_id in services}:
            tenants |= await hold_tenants(db, new)  # they came while we looked for services
        meters = self._knowledge.meters
        countable, waiting = self._judge(arrivals, services, meters, now, account)
        if waiting:
            await _park(db, _first_of_each(waiting, account), services, log, account)
        countable = _first_of_each(countable, account)
        fresh = _fresh(countable, await self._keys.take(db, where, countable), account)
        reach("usage.keyed")
        if fresh:
            account.add("counted", n=len(fresh))
            await self._keep(db, fresh, services, meters, tenants, now, log.part)

    async def _look_around(self, db: Connection, revision: int) -> None:
        """Learn what is new. The tenants are held already: who adds one up anew has either waited for us or is done.

        If a door had seen a newer catalogue, `revision`, that one is kept out as well: it comes after what is parked for it.
        """
        if not await self._knowledge.refresh(db):
            self._days = Days()
            await billing.begin_epoch(db, id=uuid4())
        if revision > self._knowledge.revision:
            await billing.hold_catalogue(db)
            await self._knowledge.refresh(db)

    def _judge(
        self,
        arrivals: Iterable[Arrival],
        services: Mapping[str, Service],
        meters: Meters,
        now: datetime,
        account: Account,
    ) -> tuple[list[Arrival], list[Arrival]]:
        """Those that can be counted, and those that must wait."""
        window = Window(now - self._late, now + EARLY_MAX, self._knowledge.revision)
        countable: list[Arrival] = []
        waiting: list[Arrival] = []
        for arrival in arrivals:
            service = services.get(arrival.service_id)
            verdict = judge(arrival, service, window)
            if verdict is None and service and not measurable(arrival, service.readings[arrival.name], meters):
                verdict = "wrong_value"
            if verdict is None:
                countable.append(arrival)
            elif verdict == WAITS:
                _look_again(arrival, waiting, account)
            else:
                account.refuse(arrival, verdict)
        return countable, waiting

    async def _keep(
        self, db: Connection, fresh: Sequence[Arrival], services: Mapping[str, Service], meters: Meters,
        tenants: Mapping[str, Tenant], now: datetime, part: int,
    ) -> None:  # fmt: skip
        """Keep new events, and add them up."""
        groups = group(fresh, services)
        await self._days.ensure(db, now.date())
        block = _pack(groups, services, tenants)
        await sql.add_block(
            db, arrived_on=now.date(), part=part, first_at=block.first_at, last_at=block.last_at,
            tenants=block.tenants, ns=block.ns, events=block.events,
        )  # fmt: skip
        reach("usage.kept")
        zones = {tenant.id: tenant.zone for tenant in tenants.values()}
        tenant_of = {service.id: service.tenant_id for service in services.values()}
        series = await write(db, self._knowledge, add_up(groups, services, zones, meters), tenant_of)
        if late := _late(groups, services, tenants):
            sums = add_late(add_up(late, services, zones, meters), zones, tenant_of)
            await write_late(db, series, sums, now)
            metrics.LATE.inc(sum(map(len, late.values())))


def _pack(groups: Groups, services: Mapping[str, Service], tenants: Mapping[str, Tenant]) -> Block:
    """The raw events of all groups, by tenant."""
    by_tenant: dict[int, list[bytes]] = {}
    for key, arrivals in groups.items():
        raws = by_tenant.setdefault(tenants[services[key.service_id].tenant_id].no, [])
        raws += [arrival.raw for arrival in arrivals]
    return pack(by_tenant, min(key.starts for key in groups), max(key.starts for key in groups) + QUARTER)


def _late(groups: Groups, services: Mapping[str, Service], tenants: Mapping[str, Tenant]) -> Groups:
    """What of it belongs to a month that is invoiced: months end where quarters of an hour do."""
    return {
        key: arrivals
        for key, arrivals in groups.items()
        if key.starts < tenants[services[key.service_id].tenant_id].closed_until
    }


def _first_of_each(arrivals: list[Arrival], account: Account) -> list[Arrival]:
    """Events that come twice in one slice count once; with other content the second is refused."""
    first: dict[bytes, Arrival] = {arrival.key: arrival for arrival in reversed(arrivals)}
    if len(first) == len(arrivals):
        return arrivals
    for arrival in arrivals:
        kept = first[arrival.key]
        if kept is not arrival:
            _again(arrival, kept.payload_hash, account)
    return [arrival for arrival in arrivals if first[arrival.key] is arrival]


def _fresh(arrivals: Sequence[Arrival], seen: Known, account: Account) -> Sequence[Arrival]:
    """Those that were not counted before."""
    if not seen:
        return arrivals
    if seen.again:
        account.add("duplicate", n=len(seen.again))
    for n in sorted(seen.reused):
        account.refuse(arrivals[n], ID_REUSE)
    return [arrival for n, arrival in enumerate(arrivals) if n not in seen]


def _again(arrival: Arrival, said: bytes, account: Account) -> None:
    """An id that came before: the same again is a duplicate, other content is refused."""
    if said == arrival.payload_hash:
        account.add("duplicate")
    else:
        account.refuse(arrival, ID_REUSE)


def _look_again(arrival: Arrival, waiting: list[Arrival], account: Account) -> None:
    """Before an event is set aside, the careful reader sees it: what is malformed will never be known."""
    try:
        waiting.append(arrival if arrival.careful else read_carefully(arrival.raw, arrival.offset))
    except Malformed as fault:
        account.refuse(arrival, fault.reason, fault.detail)


async def _park(
    db: Connection, arrivals: list[Arrival], services: Mapping[str, Service], log: Log, account: Account
) -> None:
    """Set events aside until they can be judged."""
    waits = [CATALOGUE if arrival.service_id in services else arrival.service_id for arrival in arrivals]
    keys = [arrival.key for arrival in arrivals]
    new = {
        row["event_key"]
        for row in await rows(
            sql.park(
                db, keys=keys, hashes=[as_bigint(arrival.payload_hash) for arrival in arrivals], waits=waits,
                raws=[arrival.raw for arrival in arrivals], parts=[log.part] * len(keys), log_ids=[log.log_id] * len(keys),
                positions=[arrival.offset for arrival in arrivals],
            )
        )
    }  # fmt: skip
    account.add("parked", n=len(new))
    if len(new) < len(arrivals):
        old = [arrival for arrival in arrivals if arrival.key not in new]
        found = await rows(sql.parked_hashes(db, keys=[arrival.key for arrival in old]))
        said = {row["event_key"]: row["payload_hash"].to_bytes(8, "big", signed=True) for row in found}
        for arrival in old:
            _again(arrival, said[arrival.key], account)
