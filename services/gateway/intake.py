"""Letting events in: who speaks, is it sound, is it theirs, did it come before; then into Kafka, and only then the answer.

A request is atomic. An order is written, sent and committed, in this order: if the process dies in between, the sender
gets no answer and sends again, with the same id, and onboarding's inbox lets it act once.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from aiokafka.errors import KafkaError

from schemas.orders import OrderPlaced
from services.chassis.database import Connection
from services.chassis.producer import Producer
from services.chassis.service import Runtime
from services.chassis.web import Problem
from services.gateway import metrics, store
from services.gateway.domain.admission import Admitted, Principal, Typed, admit, claims, read
from services.gateway.domain.cloudevents import Incoming
from services.gateway.domain.faults import Fault, Reason, Refused
from services.gateway.knowledge import Knowledge
from services.gateway.people import People
from services.gateway.store import sql

RETRY_AFTER_SECONDS = "2"
SEND_TIMEOUT_SECONDS = 10.0


class Intake:
    """The way in, the same for every door."""

    def __init__(self, runtime: Runtime, knowledge: Knowledge, people: People) -> None:
        self._runtime, self._knowledge, self._people = runtime, knowledge, people

    async def take(self, principal: Principal, events: Sequence[Incoming]) -> list[dict[str, str]]:
        """Let events in, all or none; returns an answer for each.

        Raises `Refused` with every fault, `Problem` 503 while Kafka or the database is away.
        """
        admitted = await self._check(principal, events)
        orders = [item for item in admitted if item.order_id is not None]
        try:
            if orders:
                answers = await self._take_orders(principal, admitted)
            else:
                await _send(self._runtime.producer, admitted)
                answers = [_answer(item) for item in admitted]
        except (KafkaError, TimeoutError, ConnectionError) as error:
            metrics.UNAVAILABLE.inc()
            raise Problem(
                503, "Service Unavailable", "not accepted: send it again, with the same id",
                headers={"Retry-After": RETRY_AFTER_SECONDS},
            ) from error  # fmt: skip
        for item in admitted:
            metrics.ACCEPTED.labels(item.event.type).inc()
        return answers

    async def _check(self, principal: Principal, events: Sequence[Incoming]) -> list[Admitted]:
        now = self._runtime.clock.now()
        typed: list[Typed] = []
        faults: list[Fault] = []
        for incoming in events:
            found = read(incoming, now)
            if isinstance(found, Typed):
                typed.append(found)
            else:
                faults += found
        known = await self._knowledge.of(typed)
        for item in typed:
            faults += claims(item, principal, known)
        if faults:
            raise Refused(sorted(faults, key=lambda fault: fault.index))
        return [admit(item, principal, known.revision) for item in typed]

    async def _take_orders(self, principal: Principal, admitted: Sequence[Admitted]) -> list[dict[str, str]]:
        answers: list[dict[str, str]] = []
        fresh: list[Admitted] = []
        async with self._runtime.pool.acquire() as db, db.transaction():
            for index, item in enumerate(admitted):
                known = await self._known_answer(db, principal, item, index) if item.order_id else None
                answers.append(known or _answer(item))
                if known is None:
                    fresh.append(item)
                    await self._keep_contact(db, item)
            await _send(self._runtime.producer, fresh)
        return answers

    async def _known_answer(
        self, db: Connection, principal: Principal, item: Admitted, index: int
    ) -> dict[str, str] | None:
        """The answer this order got before; None when it is new. Raises `Refused` (`id_reuse`)."""
        event = item.event
        content = blake2b(event.data.model_dump_json().encode(), digest_size=16).digest()
        new = await sql.accept_order(
            db, principal=principal.id, source=event.source, id=event.id, content_hash=content, answer=_answer(item)
        )
        if new is not None:
            return None
        before = await sql.accepted_order(db, principal=principal.id, source=event.source, id=event.id)
        if before["content_hash"] != content:
            raise Refused([Fault(index, "/id", Reason.ID_REUSE, "this id came before with other content")])
        answer: dict[str, str] = before["answer"]
        return answer

    async def _keep_contact(self, db: Connection, item: Admitted) -> None:
        data = item.event.data
        if isinstance(data, OrderPlaced) and data.tenant is not None:
            sealed = self._people.seal(data.tenant.contact.model_dump())
            await sql.keep_contact(db, id=item.event.subject, contact=sealed)

    async def refuse(self, principal: str, refused: Refused, events: Sequence[Incoming]) -> None:
        """Keep what was refused, so that the operator can see it."""
        for fault in refused.faults:
            metrics.REFUSED.labels(fault.reason).inc()
        async with self._runtime.pool.acquire() as db:
            await store.add_refusals(db, self._runtime.clock.now(), principal, refused.faults, events)


async def _send(producer: Producer, admitted: Sequence[Admitted]) -> None:
    messages = [(item.event.data.topic.name, item.event.subject.encode(), item.event.encode()) for item in admitted]
    await producer.send_all(messages, SEND_TIMEOUT_SECONDS)


def _answer(item: Admitted) -> dict[str, str]:
    event = item.event
    answer = {"source": event.source, "id": event.id, "type": event.type, "tenant_id": event.subject}
    return answer | ({"order_id": item.order_id} if item.order_id else {})


def canonical(value: Any) -> bytes:
    """JSON bytes of a value."""
    return msgspec.json.encode(value)
