"""Usage that cannot be judged yet is set aside until what it waits for is known."""

from collections.abc import Mapping
from datetime import datetime

from services.billing.domain.usage import MeteredService, quarter_of
from services.billing.job_kinds import CATALOGUE
from services.billing.metering.account import Account
from services.billing.metering.arrivals import Arrival
from services.billing.metering.closing import MissedRuns
from services.billing.metering.keys import as_bigint
from services.billing.metering.repeats import again
from services.billing.metering.store import sql
from services.chassis.database import Connection
from services.chassis.store import Log, collect

PARKED_PART = -1
"""The account's row for events that were parked first."""


def _waits_for(arrival: Arrival, services: Mapping[str, MeteredService], runs: MissedRuns) -> str:
    """The service, while it is unknown; the run that is to be done first; else the catalogue."""
    if arrival.said.service_id not in services:
        return arrival.said.service_id
    return runs.get((arrival.tenant_id, quarter_of(arrival.at)), CATALOGUE)


async def park(
    db: Connection,
    arrivals: list[Arrival],
    services: Mapping[str, MeteredService],
    runs: MissedRuns,
    log: Log,
    now: datetime,
    account: Account,
) -> None:
    """Set events aside until they can be judged."""
    waits = [_waits_for(arrival, services, runs) for arrival in arrivals]
    keys = [arrival.key for arrival in arrivals]
    new = {
        row["event_key"]
        for row in await collect(
            sql.park(
                db, keys=keys, hashes=[as_bigint(arrival.payload_hash) for arrival in arrivals], waits=waits,
                raws=[arrival.raw for arrival in arrivals], parts=[log.part] * len(keys), log_ids=[log.log_id] * len(keys),
                positions=[arrival.offset for arrival in arrivals], seen=now,
            )
        )
    }  # fmt: skip
    account.add("parked", n=len(new))
    if len(new) < len(arrivals):
        old = [arrival for arrival in arrivals if arrival.key not in new]
        found = await collect(sql.parked_hashes(db, keys=[arrival.key for arrival in old]))
        said = {
            row["event_key"]: row["payload_hash"].to_bytes(8, "big", signed=True) for row in found
        }
        for arrival in old:
            again(arrival, said[arrival.key], account)
