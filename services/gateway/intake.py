"""Letting events in: who speaks, is it sound, is it theirs, did it come before; then into Kafka, and only then the answer.

A request is atomic. An order is written, sent and committed, in this order: if the process dies in between, the sender
gets no answer and sends again, with the same id, and onboarding's inbox lets it act once.
"""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from schemas.orders import OrderPlaced
from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.gateway import metrics, store
from services.gateway.domain.admission import Admitted, Principal, Typed, admit, claims, content_of, read
from services.gateway.domain.cloudevents import Incoming
from services.gateway.domain.faults import Fault, Reason, Refused
from services.gateway.domain.placing import key_of
from services.gateway.knowledge import Knowledge
from services.gateway.people import People
from services.gateway.sealed import tenant_contact
from services.gateway.store import Accepted, Answer, sql

SEND_TIMEOUT_SECONDS = 10.0
ORDER_REQUESTS_AT_ONCE = 4
"""Each holds a connection while Kafka has not answered: a Kafka that is away must not take the whole pool."""


class Intake:
    """The way in, the same for every door."""

    def __init__(self, runtime: Runtime, knowledge: Knowledge, people: People, very_large: AbstractSet[str]) -> None:
        self._runtime, self._knowledge, self._people, self._very_large = runtime, knowledge, people, very_large
        self._order_requests = asyncio.Semaphore(ORDER_REQUESTS_AT_ONCE)

    async def take(self, principal: Principal, events: Sequence[Incoming]) -> list[Answer]:
        """Let events in, all or none; returns an answer for each.

        Raises `Refused` with every fault, and whatever the database or Kafka raises while it is away.
        """
        typed, faults = self._read(events)
        answers = await self._answers_before(principal, typed, faults)
        fresh = [item for item in typed if item.incoming.index not in answers]
        admitted = await self._admit(principal, fresh, faults)
        if any(item.order_id for item in admitted):
            answers |= await self._take_orders(principal, admitted)
        else:
            await self._send(admitted)
        for item in admitted:
            metrics.ACCEPTED.labels(item.event.type).inc()
        answers |= {item.index: _answer(item) for item in admitted if item.index not in answers}
        return [answers[event.index] for event in events]

    def _read(self, events: Sequence[Incoming]) -> tuple[list[Typed], list[Fault]]:
        now = self._runtime.clock.now()
        typed: list[Typed] = []
        faults: list[Fault] = []
        for incoming in events:
            found = read(incoming, now)
            if isinstance(found, Typed):
                typed.append(found)
            else:
                faults += found
        return typed, faults

    async def _answers_before(
        self, principal: Principal, typed: Sequence[Typed], faults: list[Fault]
    ) -> dict[int, Answer]:
        """Answers to orders that this sender had let in before, whoever serves the tenant by now."""
        orders = [item for item in typed if isinstance(item.data, OrderPlaced)]
        if not orders:
            return {}
        async with self._runtime.pool.acquire() as db:
            known = await store.accepted_orders(db, principal.id, [item.name for item in orders])
        answers = {}
        for item in orders:
            if (before := known.get(item.name)) is None:
                continue
            if before.content_hash == content_of(item):
                answers[item.incoming.index] = before.answer
            else:
                faults.append(_id_reuse(item.incoming.index))
        return answers

    async def _admit(self, principal: Principal, typed: Sequence[Typed], faults: list[Fault]) -> list[Admitted]:
        """Check what the events claim; before anything is refused, against the database itself. Raises `Refused`."""
        for anew in (False, True):
            known = await self._knowledge.of(typed, anew=anew)
            found = [fault for item in typed for fault in claims(item, principal, known)]
            if not found:
                break
        if found or faults:
            raise Refused(sorted(faults + found, key=lambda fault: fault.index))
        return [admit(item, principal, known.revision) for item in typed]

    async def _take_orders(self, principal: Principal, admitted: Sequence[Admitted]) -> dict[int, Answer]:
        """Take a request that holds orders; returns answers to those that came before, by a request at the same time."""
        answers: dict[int, Answer] = {}
        orders = [item for item in admitted if item.order_id]
        async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
            await self._order_requests.acquire()
        try:
            async with self._runtime.pool.acquire() as db, db.transaction():
                # In one order everywhere, so that two batches with the same orders cannot lock each other out.
                for item in sorted(orders, key=lambda order: (order.event.source, order.event.id)):
                    if (before := await self._accept(db, principal, item)) is not None:
                        answers[item.index] = before.answer
                await self._send([item for item in admitted if item.index not in answers])
        finally:
            self._order_requests.release()
        return answers

    async def _accept(self, db: Connection, principal: Principal, item: Admitted) -> Accepted | None:
        """Write an order and its person; returns what is there if it came before. Raises `Refused` (`id_reuse`)."""
        event = item.event
        new = await sql.accept_order(
            db, principal=principal.id, source=event.source, id=event.id, content_hash=item.content,
            answer=_answer(item),
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

    async def _send(self, admitted: Sequence[Admitted]) -> None:
        """Send, and wait for all in-sync replicas."""
        messages = [
            (item.event.data.topic.name, key_of(item.event, self._very_large), item.event.encode(), ())
            for item in admitted
        ]
        await self._runtime.producer.send_all(messages, SEND_TIMEOUT_SECONDS)

    async def refuse(self, principal: Principal, refused: Refused, events: Sequence[Incoming]) -> None:
        """Keep what was refused, so that the operator can see it."""
        for fault in refused.faults:
            metrics.REFUSED.labels(fault.reason).inc()
        async with self._runtime.pool.acquire() as db, db.transaction():
            await store.add_refusals(db, self._runtime.clock.now(), principal.id, refused.faults, events)


def _id_reuse(index: int) -> Fault:
    return Fault(index, "/id", Reason.ID_REUSE, "this id came before with other content")


def _answer(item: Admitted) -> Answer:
    event = item.event
    answer = {"source": event.source, "id": event.id, "type": event.type, "tenant_id": event.subject}
    return answer | ({"order_id": item.order_id} if item.order_id else {})
