"""Letting events in: who speaks, is it sound, is it theirs, did it come before; then into Kafka, and only then the answer.

A request is atomic. An order is written and committed, then sent, then marked as sent. When the answer of Kafka is lost
in between, the sender gets no answer and sends again, with the same id: the order is found, the same bytes are sent again,
and the answer is the same, whatever has changed meanwhile. Onboarding's inbox lets it act once.
"""

import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from schemas.orders import OrderPlaced
from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.chassis.web import Problem
from services.gateway import metrics, store
from services.gateway.domain.admission import Admitted, Principal, Typed, admit, claims, content_of, read, too_far
from services.gateway.domain.budget import Budget
from services.gateway.domain.cloudevents import Incoming
from services.gateway.domain.faults import Fault, Faults, Reason, Refused
from services.gateway.domain.placing import key_of
from services.gateway.inflight import InFlight, Turns
from services.gateway.instants import Instants
from services.gateway.knowledge import Knowledge
from services.gateway.pace import Pace
from services.gateway.people import People
from services.gateway.sealed import tenant_contact
from services.gateway.store import Accepted, Answer, sql

SEND_TIMEOUT_SECONDS = 10.0
CLOCK_RETRY_SECONDS = 60


class Intake:
    """The way in, the same for every door."""

    def __init__(
        self, runtime: Runtime, knowledge: Knowledge, people: People, very_large: AbstractSet[str], in_flight: InFlight,
        instants: Instants,
    ) -> None:  # fmt: skip
        self._runtime, self._knowledge, self._people, self._very_large = runtime, knowledge, people, very_large
        self._in_flight, self._instants, self._turns, self._budget = in_flight, instants, Turns(), Budget()

    async def take(self, principal: Principal, events: Sequence[Incoming]) -> list[Answer]:
        """Let events in, all or none; returns an answer for each.

        Raises `Refused` with every fault, and whatever the database or Kafka raises while it is away.
        """
        typed, faults = await self._read(events)
        names = [(principal.id, *item.name) for item in typed if isinstance(item.data, OrderPlaced)]
        async with self._turns.of(names, SEND_TIMEOUT_SECONDS):
            return await self._take(principal, events, typed, faults)

    async def _take(
        self, principal: Principal, events: Sequence[Incoming], typed: Sequence[Typed], faults: Faults
    ) -> list[Answer]:
        before = await self._orders_before(principal, typed, faults)
        fresh = [item for item in typed if item.incoming.index not in before]
        self._check_times(fresh, faults)
        admitted = await self._admit(principal, fresh, faults)
        before |= await self._write_orders(principal, [item for item in admitted if item.order_id])
        await self._send(principal, [item for item in admitted if item.index not in before], before)
        for item in admitted:
            metrics.ACCEPTED.labels(item.event.type).inc()
        answers = {index: order.answer for index, order in before.items()}
        answers |= {item.index: _answer(item) for item in admitted if item.index not in answers}
        return [answers[event.index] for event in events]

    async def _read(self, events: Sequence[Incoming]) -> tuple[list[Typed], Faults]:
        typed: list[Typed] = []
        faults = Faults()
        pace = Pace()
        for incoming in events:
            await pace.breathe()
            found = read(incoming)
            if isinstance(found, Typed):
                typed.append(found)
            else:
                faults.add(found)
        return typed, faults

    def _check_times(self, fresh: Sequence[Typed], faults: Faults) -> None:
        """Check times by the clock. Raises `Problem` 503 for what was fine before the clock stepped back."""
        now, highest = self._instants.fair(self._runtime.clock)
        for item in fresh:
            found = too_far(item, now)
            if found and highest > now and not too_far(item, highest):
                headers = {"Retry-After": str(CLOCK_RETRY_SECONDS)}
                raise Problem(503, "Service Unavailable", "the clock of this door stepped back", headers=headers)
            faults.add(found)

    async def _orders_before(self, principal: Principal, typed: Sequence[Typed], faults: Faults) -> dict[int, Accepted]:
        """Orders that this sender had let in before, whoever serves the tenant by now, and whatever time it is."""
        orders = [item for item in typed if isinstance(item.data, OrderPlaced)]
        if not orders:
            return {}
        async with self._runtime.pool.acquire() as db:
            known = await store.accepted_orders(db, principal.id, [item.name for item in orders])
        found = {}
        for item in orders:
            if (before := known.get(item.name)) is None:
                continue
            if before.content_hash == content_of(item):
                found[item.incoming.index] = before
            else:
                faults.add([_id_reuse(item.incoming.index)])
        return found

    async def _admit(self, principal: Principal, typed: Sequence[Typed], faults: Faults) -> list[Admitted]:
        """Check what the events claim; before anything is refused, against the database itself. Raises `Refused`."""
        pace = Pace()
        for anew in (False, True):
            known, found = await self._knowledge.of(typed, anew=anew), Faults()
            for item in typed:
                found.add(claims(item, principal, known))
                await pace.breathe()
            if not found:
                break
        faults.take(found)
        if faults:
            raise Refused(faults)
        admitted = []
        for item in typed:
            admitted.append(admit(item, principal, known.revision))
            await pace.breathe()
        return admitted

    async def _write_orders(self, principal: Principal, orders: Sequence[Admitted]) -> dict[int, Accepted]:
        """Write orders before they are sent; returns those that came before, by a request at the same time."""
        found: dict[int, Accepted] = {}
        if not orders:
            return found
        async with self._runtime.pool.acquire() as db, db.transaction():
            # In one order everywhere, so that two batches with the same orders cannot lock each other out.
            for item in sorted(orders, key=lambda order: (order.event.source, order.event.id)):
                if (before := await self._accept(db, principal, item)) is not None:
                    found[item.index] = before
        return found

    async def _accept(self, db: Connection, principal: Principal, item: Admitted) -> Accepted | None:
        """Write an order and its person; returns what is there if it came before. Raises `Refused` (`id_reuse`)."""
        event = item.event
        new = await sql.accept_order(
            db, principal=principal.id, source=event.source, id=event.id, content_hash=item.content,
            answer=_answer(item), key=key_of(event, self._very_large), message=self._in_flight.seal(event.encode()),
        )  # fmt: skip
        if new is None:
            known = await store.accepted_orders(db, principal.id, [(event.source, event.id)])
            before = known[event.source, event.id]
            if before.content_hash != item.content:
                raise Refused([_id_reuse(item.index)])
            return before
        if isinstance(event.data, OrderPlaced) and event.data.tenant is not None:
            person = self._people.seal(event.data.tenant.contact.model_dump(), tenant_contact(event.subject))
            await sql.keep_contact(db, id=event.subject, contact=person)
        return None

    async def _send(self, principal: Principal, fresh: Sequence[Admitted], before: Mapping[int, Accepted]) -> None:
        """Send what is new, and again what is in flight; wait for all in-sync replicas, and mark the orders."""
        orders = {(item.event.source, item.event.id) for item in fresh if item.order_id}
        found = {(order.answer["source"], order.answer["id"]): order for order in before.values()}
        again = {name: message for name in found.keys() - orders if (message := self._in_flight.message(found[name]))}
        messages = list(again.values())
        messages += [
            (item.event.data.topic.name, key_of(item.event, self._very_large), item.event.encode(), ())
            for item in fresh
        ]
        if messages:
            await self._runtime.producer.send_all(messages, SEND_TIMEOUT_SECONDS)
        if orders | again.keys():
            async with self._runtime.pool.acquire() as db:
                await store.orders_sent(db, principal.id, sorted(orders | again.keys()))

    async def refuse(self, principal: Principal, refused: Refused, events: Sequence[Incoming]) -> None:
        """Keep what was refused, so that the operator can see it."""
        for reason, n in refused.found.counts.items():
            metrics.REFUSED.labels(reason).inc(n)
        room = self._budget.take(principal.id, len(refused.faults), time.monotonic())
        metrics.REFUSALS_NOT_KEPT.inc(refused.total - room)
        async with self._runtime.pool.acquire() as db, db.transaction():
            await store.add_refusals(db, self._runtime.clock.now(), principal.id, refused.faults[:room], events)
            await store.count_refusals(db, refused.found.counts)


def _id_reuse(index: int) -> Fault:
    return Fault(index, "/id", Reason.ID_REUSE, "this id came before with other content")


def _answer(item: Admitted) -> Answer:
    event = item.event
    answer = {"source": event.source, "id": event.id, "type": event.type, "tenant_id": event.subject}
    return answer | ({"order_id": item.order_id} if item.order_id else {})
