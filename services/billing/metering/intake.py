"""Counting usage: one slice of a partition, set by set, in the slice's transaction.

1. Every record is read; what cannot be is rejected with its reason. 2. What was counted before is a duplicate or, with
other content, a reject, whatever else is wrong with it. 3. The tenants are held shared, so that no invoice closes and
nothing is rebuilt meanwhile, and each event is judged: countable, to be parked (what it is about is not known yet), or
rejected. 4. Keys are taken; where another partition was faster with one, it was counted before after all. 5. The new
ones are kept as a block, added to their buckets, and the account of outcomes is written. Committed together with the
offset: sent = counted + duplicates + rejected + parked, exactly.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

from schemas.envelope import Malformed
from schemas.horizon import EARLY_MAX as EARLY_AT_DOORS
from schemas.horizon import LAG_MAX, SKEW_MAX
from schemas.topics import USAGE
from services.billing import metrics
from services.billing.domain.usage import QUARTER, MeteredService, Window, quarter_of, start_of
from services.billing.job_kinds import CATALOGUE
from services.billing.metering.account import Account, Refusal
from services.billing.metering.adding import add_late, add_up
from services.billing.metering.arrivals import Arrival, read
from services.billing.metering.blocks import Block, pack, pack_offsets
from services.billing.metering.closing import missed_runs
from services.billing.metering.days import RawDays
from services.billing.metering.gathering import Gathering, Groups
from services.billing.metering.judging import judge_all
from services.billing.metering.keys import (
    Generations,
    Keys,
    generations,
    known_before_principals,
)
from services.billing.metering.knowledge import (
    MeteredTenant,
    MeteringKnowledge,
    hold_tenants,
    strangers_among,
)
from services.billing.metering.parking import PARKED_PART, park
from services.billing.metering.repeats import first_of_each, forget_known, fresh
from services.billing.metering.store import sql
from services.billing.metering.writing import write, write_late
from services.billing.store import sql as billing
from services.chassis.database import Connection, is_infrastructure
from services.chassis.engine.notices import notify_sender
from services.chassis.engine.records import reason_of
from services.chassis.engine.slices import Slice, SliceUnit, rejection_of
from services.chassis.failpoints import reach
from services.chassis.store import Log, Reject, collect, keep_rejects
from services.chassis.unit import Unit

EARLY_MAX = EARLY_AT_DOORS + SKEW_MAX
"""So far ahead of our clock usage may be: a door's clock may be ahead of ours."""


class Times(NamedTuple):
    """When events are judged, and when they came: `arrived` is not the later one."""

    now: datetime
    arrived: datetime


class UsageIntake:
    """Counts usage, for one process: it remembers what it knows of services and series.

    `late_days`: how old usage may be when a door lets it in. `window_days`: how long, at least, an id is known. `wait_for_disk`:
    whether a slice is committed when PostgreSQL has it on disk; else a crash may take back the last of them, with their
    offsets, and they are counted again from Kafka. `grace_hours`: how long after a month's end its usage is in its invoice.
    """

    def __init__(
        self, late_days: int, window_days: int, wait_for_disk: bool = True, grace_hours: int = 48
    ) -> None:
        late, self._window = timedelta(days=late_days), timedelta(days=window_days)
        # An accepted event may wait in Kafka for long. But where the id is forgotten, only the time reveals a repetition.
        self._late = max(late, min(late + LAG_MAX + SKEW_MAX, self._window - EARLY_MAX))
        self._late_days, self._wait_for_disk = late_days, wait_for_disk
        self._grace_hours = grace_hours
        self._knowledge, self._keys, self._days = MeteringKnowledge(), Keys(), RawDays()

    async def handle_slice(self, piece: Slice, unit: SliceUnit) -> None:
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
        await self._count(unit.db, gathered, Times(unit.now, unit.now), account, piece.log)
        if account.refused:
            records = {record.offset: record for record in piece.records}
            for arrival, reason, detail in account.refused:
                unit.reject(records[arrival.offset], reason, detail, arrival.tenant_id)
        await account.write(unit.db, piece.log.part)

    async def count_parked(self, waits_for: str, unit: Unit) -> None:
        """Count what waited for a service or the catalogue.

        What is rejected after all is kept where it came from, and its sender is notified.
        """
        db, now = unit.db, unit.now
        waiting = await collect(sql.unpark(db, waits_for=waits_for))
        if not waiting:
            return
        # Apart: log by log it finds what it has made, and may yet lose it.
        alone = UsageIntake(self._late_days, self._window.days, grace_hours=self._grace_hours)
        for log in {Log(USAGE.name, row["part"], row["log_id"]) for row in waiting}:
            mine = [
                row for row in waiting if (row["part"], row["log_id"]) == (log.part, log.log_id)
            ]
            account = Account()
            account.add("parked", n=-len(mine))
            arrivals = [read(row["raw"], row["position"]) for row in mine]
            since = min(now, *(row["seen_at"] for row in mine))
            await alone._count_apart(
                db, arrivals, Times(now, since), account, log, hold=waits_for != CATALOGUE
            )
            await _keep_refused(account.refused, log, unit)
            await account.write(db, PARKED_PART)

    async def _count_apart(
        self,
        db: Connection,
        arrivals: list[Arrival],
        times: Times,
        account: Account,
        log: Log,
        hold: bool,
    ) -> None:
        """Count events that one transaction holds together; one that cannot be acted on is refused, and no other."""
        waiting = [arrivals]
        while waiting:
            some, tried = waiting.pop(), Account()
            try:
                async with db.transaction():
                    await self._count(db, Gathering(some), times, tried, log, hold)
            except Exception as error:
                if is_infrastructure(error):
                    raise
                if len(some) > 1:
                    waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
                    continue
                tried = Account()
                tried.refuse(some[0], *reason_of(error))
            account.merge(tried)

    async def _count(
        self,
        db: Connection,
        gathered: Gathering,
        times: Times,
        account: Account,
        log: Log,
        hold: bool = True,
    ) -> None:
        """`hold`: keep a newer catalogue out meanwhile. What waits for one is looked at again when it is here, anyway."""
        where = await generations(db, times.now, self._window)
        seen = await self._keys.look(db, where, gathered.arrivals)
        if seen:
            gathered = Gathering(fresh(gathered.arrivals, seen, account))
        if before := await known_before_principals(db, where, gathered.arrivals):
            gathered = Gathering(fresh(gathered.arrivals, before, account))
        if not gathered.arrivals:
            return
        groups = gathered.groups
        tenants = await hold_tenants(db, {events.tenant_id for events in groups})
        await self._look_around(db, max(events.revision for events in groups) if hold else 0)
        services = await self._knowledge.services(db, {events.service_id for events in groups})
        known = {events.tenant_id for events in groups if events.service_id in services}
        if new := known - tenants.keys():
            tenants |= await hold_tenants(db, new)  # they came while we looked for services
        strangers = await strangers_among(db, groups, tenants)
        window = Window(times.arrived - self._late, times.now + EARLY_MAX, self._knowledge.revision)
        runs = await missed_runs(db, groups, tenants, times.now, self._grace_hours)
        judgement = judge_all(groups, services, strangers, window, self._knowledge.meters, runs)
        if seen is None:
            await forget_known(db, where, judgement, account)
        for refusal in judgement.refused:
            account.refuse(*refusal)
        if judgement.waiting:
            waiting = first_of_each(judgement.waiting, account)
            await park(db, waiting, services, runs, log, times.now, account)
        countable = await self._claim(db, where, judgement.countable, gathered.repeats, account)
        reach("usage.keyed")
        if countable:
            account.add("counted", n=sum(map(len, countable.values())))
            await self._keep(db, countable, services, tenants, times.now, log)

    async def _claim(
        self, db: Connection, where: Generations, countable: Groups, repeats: bool, account: Account
    ) -> Groups:
        """Take the keys of what can be counted; returns what is counted by it."""
        judged = [arrival for alike in countable.values() for arrival in alike]
        once = first_of_each(judged, account) if repeats else judged
        seen = await self._keys.claim(db, where, once)
        new = fresh(once, seen, account)
        return countable if len(new) == len(judged) else Gathering(new).groups

    async def _look_around(self, db: Connection, revision: int) -> None:
        """Learn what is new. The tenants are held already: whoever sums one again has either waited for us or is done.

        If a door had seen a newer catalogue, `revision`, that one is kept out as well: it comes after what is parked for it.
        """
        if not await self._knowledge.refresh(db):
            self._days = RawDays()
            await billing.begin_epoch(db, id=uuid4())
        if revision > self._knowledge.revision:
            await billing.hold_catalogue(db)
            await self._knowledge.refresh(db)

    async def _keep(
        self, db: Connection, groups: Groups, services: Mapping[str, MeteredService], tenants: Mapping[str, MeteredTenant],
        now: datetime, log: Log,
    ) -> None:  # fmt: skip
        """Keep new events, and add them up."""
        await self._days.ensure(db, now.date())
        by_tenant = _by_tenant(groups, tenants)
        block = _pack(groups, by_tenant)
        first_offset, offsets = pack_offsets(
            {no: [one.offset for one in found] for no, found in by_tenant.items()}
        )
        log_no = await self._knowledge.log(db, log)
        await sql.add_block(
            db, arrived_on=now.date(), part=log.part, first_at=block.first_at, last_at=block.last_at, tenants=block.tenants,
            ns=block.ns, log_no=log_no, first_offset=first_offset, offsets=offsets, events=block.events,
        )  # fmt: skip
        reach("usage.kept")
        zones = {tenant.id: tenant.zone for tenant in tenants.values()}
        tenant_of = {service.id: service.tenant_id for service in services.values()}
        meters = self._knowledge.meters
        sums = add_up(groups, services, zones, meters, log=log_no)
        series = await write(db, self._knowledge, sums, tenant_of)
        if late := _late(groups, tenants):
            late_sums = add_late(
                add_up(late, services, zones, meters, log=log_no), zones, tenant_of
            )
            await write_late(db, series, late_sums, tenant_of, now)
            metrics.LATE.inc(sum(map(len, late.values())))


async def _keep_refused(refused: Sequence[Refusal], log: Log, unit: Unit) -> None:
    """Keep what was parked and is rejected, and notify its senders."""
    rejects = [
        Reject(log, arrival.offset, arrival.tenant_id, reason, detail, None, arrival.raw)
        for arrival, reason, detail in refused
    ]
    await keep_rejects(unit.db, rejects)
    for reject in rejects:
        alone = unit.about(rejection_of(log, reject.offset))
        notify_sender(reject.raw, reject.reason, reject.detail, unit.service, alone)


def _by_tenant(groups: Groups, tenants: Mapping[str, MeteredTenant]) -> dict[int, list[Arrival]]:
    """The events of all groups, by the number of their tenant."""
    by_tenant: dict[int, list[Arrival]] = {}
    for events, arrivals in groups.items():
        by_tenant.setdefault(tenants[events.tenant_id].no, []).extend(arrivals)
    return by_tenant


def _pack(groups: Groups, by_tenant: Mapping[int, Sequence[Arrival]]) -> Block:
    """The raw events of all groups, by tenant."""
    first, last = min(events.quarter for events in groups), max(events.quarter for events in groups)
    raws = {no: [arrival.raw for arrival in arrivals] for no, arrivals in by_tenant.items()}
    return pack(raws, start_of(first), start_of(last) + QUARTER)


def _late(groups: Groups, tenants: Mapping[str, MeteredTenant]) -> Groups:
    """What of it belongs to a month that is invoiced: months end where quarters of an hour do."""
    closed = {tenant.id: quarter_of(tenant.closed_until) for tenant in tenants.values()}
    return {
        events: arrivals
        for events, arrivals in groups.items()
        if events.quarter < closed[events.tenant_id]
    }
