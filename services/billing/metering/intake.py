"""Counting usage: one slice of a partition, set by set, in the slice's transaction.

1. Every record is read; what cannot be is rejected with its reason. 2. What was counted before is a duplicate or, with
other content, a reject. 3. The tenants are held shared, so that no invoice closes and nothing is rebuilt meanwhile, and
each event is judged: countable, to be parked (what it is about is not known yet), or rejected. 4. Keys are taken; where
another partition was faster with one, it was counted before after all. 5. The new ones are kept as a block, added to
their buckets, and the account of outcomes is written. Committed together with the offset: sent = counted + duplicates +
rejected + parked, exactly.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from uuid import uuid4

from schemas.envelope import Malformed
from schemas.topics import USAGE
from services.billing import metrics
from services.billing.domain.usage import (
    QUARTER,
    WAITS,
    Likeness,
    Service,
    Window,
    judge,
    judge_time,
    quarter_of,
    start_of,
)
from services.billing.metering.account import ID_REUSE, Account
from services.billing.metering.adding import add_late, add_up, measurable
from services.billing.metering.arrivals import Arrival, read, read_carefully
from services.billing.metering.blocks import Block, pack
from services.billing.metering.days import Days
from services.billing.metering.gathering import Gathering, Groups
from services.billing.metering.keys import Generations, Keys, Known, as_bigint, generations
from services.billing.metering.knowledge import Knowledge, Tenant, hold_tenants
from services.billing.metering.store import sql
from services.billing.metering.writing import write, write_late
from services.billing.store import sql as billing
from services.chassis.database import Connection
from services.chassis.engine.slices import Slice, SliceUnit
from services.chassis.failpoints import reach
from services.chassis.store import Log, Reject, keep_rejects, rows

EARLY_MAX = timedelta(minutes=5)
PARKED_PART = -1
"""The account's row for events that were parked first."""

CATALOGUE = "catalogue"
"""What an event waits for that was let in under a newer catalogue than is known here."""


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
        account, gathered = Account(), Gathering(later=self._keys.expect_known)
        for record in piece.records:
            try:
                gathered.add(read(record.value or b"", record.offset))
            except Malformed as fault:
                account.add("rejected", fault.reason)
                unit.reject(record, fault.reason, fault.detail)
        await self._count(unit.db, gathered, unit.now, account, piece.log)
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
            gathered = Gathering(read(row["raw"], row["position"]) for row in mine)
            await alone._count(db, gathered, now, account, log, hold=waits_for != CATALOGUE)
            await keep_rejects(
                db,
                [
                    Reject(log, arrival.offset, arrival.tenant_id, reason, detail, None, arrival.raw)
                    for arrival, reason, detail in account.refused
                ],
            )
            await account.write(db, PARKED_PART)

    async def _count(
        self, db: Connection, gathered: Gathering, now: datetime, account: Account, log: Log, hold: bool = True
    ) -> None:
        """`hold`: keep a newer catalogue out meanwhile. What waits for one is looked at again when it is here, anyway."""
        where = await generations(db, now, self._window)
        if seen := await self._keys.look(db, where, gathered.arrivals):
            gathered = Gathering(_fresh(gathered.arrivals, seen, account))
        if not gathered.arrivals:
            return
        groups = gathered.groups
        tenants = await hold_tenants(db, {events.tenant_id for events in groups})
        await self._look_around(db, max(events.revision for events in groups) if hold else 0)
        services = await self._knowledge.services(db, {events.service_id for events in groups})
        known = {events.tenant_id for events in groups if events.service_id in services}
        if new := known - tenants.keys():
            tenants |= await hold_tenants(db, new)  # they came while we looked for services
        countable, waiting = self._judge(groups, services, now, account)
        if waiting:
            await _park(db, _first_of_each(waiting, account), services, log, account)
        countable = await self._take(db, where, countable, gathered.repeats, account)
        reach("usage.keyed")
        if countable:
            account.add("counted", n=sum(map(len, countable.values())))
            await self._keep(db, countable, services, tenants, now, log.part)

    async def _take(
        self, db: Connection, where: Generations, countable: Groups, repeats: bool, account: Account
    ) -> Groups:
        """Take the keys of what can be counted; returns what is counted by it."""
        judged = [arrival for alike in countable.values() for arrival in alike]
        once = _first_of_each(judged, account) if repeats else judged
        seen = await self._keys.take(db, where, once)
        fresh = _fresh(once, seen, account)
        return countable if len(fresh) == len(judged) else Gathering(fresh).groups

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
        self, groups: Groups, services: Mapping[str, Service], now: datetime, account: Account
    ) -> tuple[Groups, list[Arrival]]:
        """Those that can be counted, and those that must wait."""
        window = Window(now - self._late, now + EARLY_MAX, self._knowledge.revision)
        countable: dict[Likeness, Sequence[Arrival]] = {}
        waiting: list[Arrival] = []
        for events, arrivals in groups.items():
            service = services.get(events.service_id)
            verdict = judge(events, service, window)
            if service is None or verdict == WAITS:
                for arrival in arrivals:
                    _look_again(arrival, waiting, account)
            elif verdict is not None:
                account.refuse_all(arrivals, verdict)
            elif good := self._in_time_and_measurable(events, arrivals, service, window, account):
                countable[events] = good
        return countable, waiting

    def _in_time_and_measurable(
        self, events: Likeness, arrivals: Sequence[Arrival], service: Service, window: Window, account: Account
    ) -> Sequence[Arrival]:
        """Those of one likeness that pass what cannot be said of all of them at once."""
        if not window.covers(events.starts, service):
            verdicts = [(arrival, judge_time(arrival.at, service, window)) for arrival in arrivals]
            arrivals = account.passed(verdicts)
        reading = service.readings[events.name]
        if reading.needs is None:
            meters = self._knowledge.meters
            verdicts = [(a, None if measurable(a, reading, meters) else "wrong_value") for a in arrivals]
            arrivals = account.passed(verdicts)
        return arrivals

    async def _keep(
        self, db: Connection, groups: Groups, services: Mapping[str, Service], tenants: Mapping[str, Tenant],
        now: datetime, part: int,
    ) -> None:  # fmt: skip
        """Keep new events, and add them up."""
        await self._days.ensure(db, now.date())
        block = _pack(groups, tenants)
        await sql.add_block(
            db, arrived_on=now.date(), part=part, first_at=block.first_at, last_at=block.last_at,
            tenants=block.tenants, ns=block.ns, events=block.events,
        )  # fmt: skip
        reach("usage.kept")
        zones = {tenant.id: tenant.zone for tenant in tenants.values()}
        tenant_of = {service.id: service.tenant_id for service in services.values()}
        meters = self._knowledge.meters
        series = await write(db, self._knowledge, add_up(groups, services, zones, meters), tenant_of)
        if late := _late(groups, tenants):
            sums = add_late(add_up(late, services, zones, meters), zones, tenant_of)
            await write_late(db, series, sums, now)
            metrics.LATE.inc(sum(map(len, late.values())))


def _pack(groups: Groups, tenants: Mapping[str, Tenant]) -> Block:
    """The raw events of all groups, by tenant."""
    by_tenant: dict[int, list[bytes]] = {}
    for events, arrivals in groups.items():
        by_tenant.setdefault(tenants[events.tenant_id].no, []).extend([arrival.raw for arrival in arrivals])
    first, last = min(events.quarter for events in groups), max(events.quarter for events in groups)
    return pack(by_tenant, start_of(first), start_of(last) + QUARTER)


def _late(groups: Groups, tenants: Mapping[str, Tenant]) -> Groups:
    """What of it belongs to a month that is invoiced: months end where quarters of an hour do."""
    closed = {tenant.id: quarter_of(tenant.closed_until) for tenant in tenants.values()}
    return {events: arrivals for events, arrivals in groups.items() if events.quarter < closed[events.tenant_id]}


def _first_of_each(arrivals: list[Arrival], account: Account) -> list[Arrival]:
    """Events that come twice in one slice count once; with other content the second is refused."""
    if len({arrival.key for arrival in arrivals}) == len(arrivals):
        return arrivals
    arrivals.sort(key=attrgetter("offset"))
    first: dict[bytes, Arrival] = {arrival.key: arrival for arrival in reversed(arrivals)}
    for arrival in arrivals:
        kept = first[arrival.key]
        if kept is not arrival:
            _again(arrival, kept.payload_hash, account)
    return [arrival for arrival in arrivals if first[arrival.key] is arrival]


def _fresh(arrivals: Sequence[Arrival], seen: Known, account: Account) -> Sequence[Arrival]:
    """Those that were not counted before."""
    if seen.again:
        account.add("duplicate", n=len(seen.again))
    for n in sorted(seen.reused):
        account.refuse(arrivals[n], ID_REUSE)
    return seen.others(arrivals)


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
    waits = [CATALOGUE if arrival.said.service_id in services else arrival.said.service_id for arrival in arrivals]
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
