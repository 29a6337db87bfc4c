"""Accept events: authenticate, validate, authorise, recognise repetitions; then send to Kafka, and only then answer.

A request is atomic. An order is written and committed, then sent, then marked as sent. When the answer of Kafka is lost
in between, the sender gets no answer and sends again, with the same id: the order is found, the same bytes are sent again,
and the answer is the same, whatever has changed meanwhile. Onboarding's inbox lets it act once.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from schemas.orders import OrderPlaced
from schemas.persons import apart
from schemas.reasons import Reason
from schemas.usage import UsageRecorded
from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.chassis.web import Problem
from services.gateway import metrics, store
from services.gateway.domain.admission import (
    Admitted,
    Principal,
    admit,
    claims,
    content_of,
)
from services.gateway.domain.budget import Budget
from services.gateway.domain.cloudevents import Incoming
from services.gateway.domain.faults import Fault, Faults, Refused
from services.gateway.domain.partitioning import key_of, key_of_usage
from services.gateway.domain.plain_usage import PlainUsage, decisive
from services.gateway.domain.reading import Typed, read, too_far
from services.gateway.inbound.in_flight import InFlight, Turns
from services.gateway.inbound.instants import Instants
from services.gateway.inbound.pace import Pace
from services.gateway.principals import tenant_keys
from services.gateway.principals.contacts import Contacts, Persons
from services.gateway.principals.knowledge import Knowledge
from services.gateway.principals.sealed import tenant_contact
from services.gateway.store import Accepted, Answer, sql

SEND_TIMEOUT_SECONDS = 10.0
CLOCK_RETRY_SECONDS = 60
_USAGE_ACCEPTED = metrics.ACCEPTED.labels(UsageRecorded.wire_type)
CONTACT = "/tenant/contact/"
"""Where an order says whom to call."""


class Intake:
    """The way in, the same for every door."""

    def __init__(
        self, runtime: Runtime, knowledge: Knowledge, contacts: Contacts, very_large: AbstractSet[str], in_flight: InFlight,
        instants: Instants,
    ) -> None:  # fmt: skip
        self._runtime, self._knowledge, self._contacts, self._very_large = (
            runtime,
            knowledge,
            contacts,
            very_large,
        )
        self._in_flight, self._instants, self._turns, self._budget = (
            in_flight,
            instants,
            Turns(),
            Budget(),
        )

    async def accept(self, principal: Principal, events: Sequence[Incoming]) -> list[Answer]:
        """Let events in, all or none; returns an answer for each.

        Raises `Refused` with every fault, and whatever the database or Kafka raises while it is unavailable.
        """
        typed, faults = await self._read(events)
        names = [(principal.id, *item.name) for item in typed if isinstance(item.data, OrderPlaced)]
        if not names:
            return await self._accept(principal, events, typed, faults)
        async with self._turns.of(names, SEND_TIMEOUT_SECONDS):
            return await self._accept(principal, events, typed, faults)

    async def accept_plainly(
        self, principal: Principal, usage: Sequence[PlainUsage]
    ) -> list[Answer] | None:
        """Let in usage that was read plainly; None when anything may be wrong with it: then `accept` has the word.

        By the rules of `accept`, asked of those events that decide for all. Raises what `accept` raises, but `Refused`.
        """
        pace = Pace()
        typed = decisive(usage)
        known = await self._knowledge.of(typed)
        now, _ = self._instants.fair(self._runtime.clock)
        for item in typed:
            if claims(item, principal, known) or too_far(item, now):
                return None
            if pace.is_over:
                await pace.breathe()
        topic, large = UsageRecorded.topic.name, self._very_large
        messages = [
            (topic, key_of_usage(item.said.subject, item.said.id, large), item.encode(principal.id, known.revision), ())
            for item in usage
        ]  # fmt: skip
        await self._runtime.producer.send_all(messages, SEND_TIMEOUT_SECONDS)
        _USAGE_ACCEPTED.inc(len(messages))
        return [
            {"source": item.said.source, "id": item.said.id, "type": item.said.type, "tenant_id": item.said.subject}
            for item in usage
        ]  # fmt: skip

    async def _accept(
        self,
        principal: Principal,
        events: Sequence[Incoming],
        typed: Sequence[Typed],
        faults: Faults,
    ) -> list[Answer]:
        before = await self._orders_before(principal, typed, faults)
        fresh = [item for item in typed if item.incoming.index not in before]
        self._check_times(fresh, faults)
        admitted, met = await self._write(principal, await self._admit(principal, fresh, faults))
        before |= met
        await self._send(principal, [item for item in admitted if item.index not in before], before)
        for type_, n in Counter(item.event.type for item in admitted).items():
            metrics.ACCEPTED.labels(type_).inc(n)
        answers = {index: order.answer for index, order in before.items()}
        answers |= {item.index: _answer(item) for item in admitted if item.index not in answers}
        return [answers[event.index] for event in events]

    async def _read(self, events: Sequence[Incoming]) -> tuple[list[Typed], Faults]:
        typed: list[Typed] = []
        faults = Faults()
        pace = Pace()
        for incoming in events:
            if pace.is_over:
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
                raise Problem(
                    503,
                    "Service Unavailable",
                    "the clock of this door stepped back",
                    headers=headers,
                )
            faults.add(found)

    async def _orders_before(
        self, principal: Principal, typed: Sequence[Typed], faults: Faults
    ) -> dict[int, Accepted]:
        """Orders that were accepted from this sender before, whoever serves the tenant by now, and whatever time it is."""
        orders = [item for item in typed if isinstance(item.data, OrderPlaced)]
        if not orders:
            return {}
        async with self._runtime.pool.acquire() as db:
            known = await store.accepted_orders(db, principal.id, [item.name for item in orders])
            subjects = [item.subject for item in orders] if known else []
            persons = await tenant_keys.known(db, self._contacts, subjects) if subjects else {}
        found = {}
        for item in orders:
            if (before := known.get(item.name)) is None:
                continue
            if content_of(item).is_what_was(before.content_hash, persons.get(item.subject)):
                found[item.incoming.index] = before
            else:
                faults.add([_id_reuse(item.incoming.index)])
        return found

    async def _admit(
        self, principal: Principal, typed: Sequence[Typed], faults: Faults
    ) -> list[Admitted]:
        """Check what the events claim; before anything is refused, against the database itself. Raises `Refused`."""
        pace = Pace()
        for anew in (False, True):
            known, found = await self._knowledge.of(typed, anew=anew), Faults()
            for item in typed:
                found.add(claims(item, principal, known))
                if pace.is_over:
                    await pace.breathe()
            if not found:
                break
        faults.merge(found)
        if faults:
            raise Refused(faults)
        admitted = []
        for item in typed:
            admitted.append(admit(item, principal, known.revision))
            if pace.is_over:
                await pace.breathe()
        return admitted

    async def _write(
        self, principal: Principal, admitted: Sequence[Admitted]
    ) -> tuple[list[Admitted], dict[int, Accepted]]:
        """Seal what names persons, and write orders, before anything is sent.

        Returns the events as they travel, and those orders that came before, by a request at the same time.
        """
        found: dict[int, Accepted] = {}
        naming = {item.event.subject for item in admitted if apart(item.event.data, "")[1]}
        if not naming and not any(item.order_id for item in admitted):
            return list(admitted), found
        async with self._runtime.pool.acquire() as db, db.transaction():
            keys = await tenant_keys.held(db, self._contacts, naming)
            sealed = [self._sealed(item, keys) for item in admitted]
            # In one order everywhere, so that two batches with the same orders cannot lock each other out.
            orders = [item for item in sealed if item.order_id]
            for item in sorted(orders, key=lambda order: (order.event.source, order.event.id)):
                if (before := await self._accept_order(db, principal, item, keys)) is not None:
                    found[item.index] = before
            for item in sorted(orders, key=lambda order: order.event.subject):
                if item.index not in found:
                    await _keep_contact(db, item, keys)
        return sealed, found

    @staticmethod
    def _sealed(item: Admitted, keys: Mapping[str, Persons]) -> Admitted:
        persons = keys.get(item.event.subject)
        return item if persons is None else replace(item, event=persons.seal_event(item.event))

    async def _accept_order(
        self, db: Connection, principal: Principal, item: Admitted, keys: Mapping[str, Persons]
    ) -> Accepted | None:
        """Write an order; returns what is there if it came before. Raises `Refused` (`id_reuse`)."""
        event, content, persons = item.event, item.content, keys.get(item.event.subject)
        assert content is not None, "an order has a content"
        new = await sql.accept_order(
            db, principal=principal.id, source=event.source, id=event.id, content_hash=content.kept(persons),
            answer=_answer(item), key=key_of(event, self._very_large), message=event.encode(),
        )  # fmt: skip
        if new is None:
            known = await store.accepted_orders(db, principal.id, [(event.source, event.id)])
            before = known[event.source, event.id]
            if not content.is_what_was(before.content_hash, persons):
                raise Refused([_id_reuse(item.index)])
            return before
        return None

    async def _send(
        self, principal: Principal, fresh: Sequence[Admitted], before: Mapping[int, Accepted]
    ) -> None:
        """Send what is new, and again what is in flight; wait for all in-sync replicas, and mark the orders."""
        orders = {(item.event.source, item.event.id) for item in fresh if item.order_id}
        found = {(order.answer["source"], order.answer["id"]): order for order in before.values()}
        again = {
            name: message
            for name in found.keys() - orders
            if (message := self._in_flight.message(found[name]))
        }
        messages = list(again.values())
        messages += [
            (
                item.event.data.topic.name,
                key_of(item.event, self._very_large),
                item.event.encode(),
                (),
            )
            for item in fresh
        ]
        if messages:
            await self._runtime.producer.send_all(messages, SEND_TIMEOUT_SECONDS)
        if orders | again.keys():
            async with self._runtime.pool.acquire() as db:
                await store.orders_sent(db, principal.id, sorted(orders | again.keys()))

    async def refuse(
        self, principal: Principal, refused: Refused, events: Sequence[Incoming]
    ) -> None:
        """Keep what was refused, so that the operator can see it."""
        for reason, n in refused.found.counts.items():
            metrics.REFUSED.labels(reason).inc(n)
        room = self._budget.spend(principal.id, len(refused.faults), time.monotonic())
        metrics.REFUSALS_NOT_KEPT.inc(refused.total - room)
        async with self._runtime.pool.acquire() as db, db.transaction():
            await store.add_refusals(
                db, self._runtime.clock.now(), principal.id, refused.faults[:room], events
            )
            await store.count_refusals(db, refused.found.counts)


async def _keep_contact(db: Connection, order: Admitted, keys: Mapping[str, Persons]) -> None:
    """Keep the person to call at a tenant, unless one is known already."""
    said = order.content.said if order.content else {}
    person = {
        name.removeprefix(CONTACT): text for name, text in said.items() if name.startswith(CONTACT)
    }
    if person:
        tenant = order.event.subject
        contact = keys[tenant].seal(person, tenant_contact(tenant))
        await sql.keep_contact(db, id=tenant, contact=contact)


def _id_reuse(index: int) -> Fault:
    return Fault(index, "/id", Reason.ID_REUSE, "this id came before with other content")


def _answer(item: Admitted) -> Answer:
    event = item.event
    answer = {
        "source": event.source,
        "id": event.id,
        "type": event.type,
        "tenant_id": event.subject,
    }
    return answer | ({"order_id": item.order_id} if item.order_id else {})
