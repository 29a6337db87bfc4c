"""Events that come again: in one slice, or after they were counted."""

from collections.abc import Sequence
from operator import attrgetter

from schemas.reasons import Reason
from services.billing.metering.account import Account
from services.billing.metering.arrivals import Arrival
from services.billing.metering.judging import Judgement
from services.billing.metering.keys import Generations, SeenKeys, known
from services.chassis.database import Connection


def first_of_each(arrivals: list[Arrival], account: Account) -> list[Arrival]:
    """Events that come twice in one slice count once; with other content the second is refused."""
    if len({arrival.key for arrival in arrivals}) == len(arrivals):
        return arrivals
    arrivals.sort(key=attrgetter("offset"))
    first: dict[bytes, Arrival] = {arrival.key: arrival for arrival in reversed(arrivals)}
    for arrival in arrivals:
        kept = first[arrival.key]
        if kept is not arrival:
            again(arrival, kept.payload_hash, account)
    return [arrival for arrival in arrivals if first[arrival.key] is arrival]


def fresh(arrivals: Sequence[Arrival], seen: SeenKeys, account: Account) -> Sequence[Arrival]:
    """Those that were not counted before."""
    if seen.again:
        account.add("duplicate", n=len(seen.again))
    for n in sorted(seen.reused):
        account.refuse(arrivals[n], Reason.ID_REUSE)
    return seen.others(arrivals)


async def forget_known(
    db: Connection, where: Generations, judgement: Judgement, account: Account
) -> None:
    """An event that was counted is a duplicate, whatever else there is to say of it now: its time, its service, its meter."""
    aside = [*judgement.waiting, *(arrival for arrival, _, _ in judgement.refused)]
    seen = await known(db, where, aside) if aside else SeenKeys()
    fresh(aside, seen, account)
    waited, places = len(judgement.waiting), seen.again | seen.reused
    judgement.waiting = [arrival for n, arrival in enumerate(judgement.waiting) if n not in places]
    judgement.refused = [one for n, one in enumerate(judgement.refused, waited) if n not in places]


def again(arrival: Arrival, said: bytes, account: Account) -> None:
    """An id that came before: the same again is a duplicate, other content is refused."""
    if said == arrival.payload_hash:
        account.add("duplicate")
    else:
        account.refuse(arrival, Reason.ID_REUSE)
