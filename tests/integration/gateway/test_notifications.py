"""Resellers are notified of what concerns them, signed, and nothing else; each secret signs for its whole day."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import WebhookVerificationError

from schemas.alerts import AlertKind, AlertOpened, Visit
from schemas.billing import (
    CapForeseen,
    CapReached,
    CommissionAccrued,
    InvoiceOverdue,
    InvoicePaid,
    SettlementIssued,
    TenantCapForeseen,
    TenantCapReached,
)
from schemas.deliveries import DeliverySucceeded
from schemas.envelope import Payload
from schemas.signals import Severity
from schemas.tenants import OrderDelayed, OrderFailed
from services.gateway.domain.keys import PAST_SECRETS_MAX
from tests.integration.gateway.notifying import alert, attempts, point
from tests.integration.gateway.receivers import (
    answering,
    receiving,
)
from tests.integration.gateway.world import (
    CONTACT,
    NOW,
    World,
    assigned,
    open_world,
    order,
    tenant_of,
)


async def test_an_alert_reaches_its_reseller_signed_with_the_people_to_call(served: World) -> None:
    await served.post(order("A", id="first-order-with-contact"))
    async with receiving(answering("204 No Content")) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), opened)
        line = await attempts(served, opened.alert_id, 1)
        await served.gateway.settled()
        told = [item for item in receiver.told if opened.alert_id.encode() in item.body]
        assert len(told) == 1
        event = told[0].verified(served.secrets["VAR-A"])[0]
        with pytest.raises(WebhookVerificationError):
            told[0].verified(served.secrets["VAR-B"])
    assert told[0].headers["webhook-id"] == line["id"]
    assert (event["type"], event["subject"]) == ("vicino.alert.opened.v1", tenant_of("A"))
    assert event["data"]["contact"]["name"] == "Tecnico VAR-A"
    assert event["data"]["tenant"] == {
        "tenant_id": tenant_of("A"), "external_id": "SME-A", "name": "Firm A", "contact": CONTACT,
    }  # fmt: skip
    succeeded = [fact.data for fact in await served.gateway.published(DeliverySucceeded)]
    assert [
        (fact.attempts, fact.recipient) for fact in succeeded if fact.alert_id == opened.alert_id
    ] == [(1, "VAR-A")]


async def test_a_reseller_hears_that_an_order_waits_for_a_back_end(served: World) -> None:
    async with receiving(answering("204 No Content")) as receiver:
        await point(served, "VAR-A", receiver)
        delayed = OrderDelayed(
            order_id=str(uuid4()), reference="ORD-1", reseller_id="VAR-A", item=0, service_id=str(uuid4()),
            waits_for=("http",), since=NOW, gives_up_at=NOW + timedelta(hours=24), explanation="PUT answered 503",
        )  # fmt: skip
        await served.tell(tenant_of("A"), delayed)
        await served.gateway.settled()
        events = [item.verified(served.secrets["VAR-A"])[0] for item in receiver.told]
    (told,) = [event for event in events if event["type"] == "vicino.order.delayed.v1"]
    assert (told["data"]["reference"], told["data"]["waits_for"]) == ("ORD-1", ["http"])


async def test_a_reseller_does_not_hear_how_the_others_stood(served: World) -> None:
    async with receiving(answering("200 OK")) as receiver:
        await point(served, "VAR-A", receiver)
        await served.tell(tenant_of("A"), assigned("VAR-A"))
        await served.gateway.settled()
        events = [item.verified(served.secrets["VAR-A"])[0] for item in receiver.told]
    assert "vicino.tenant.assigned.v1" in {event["type"] for event in events}
    assert not [
        item for item in receiver.told if b"ranking" in item.body or b"VAR-OTHER" in item.body
    ]


async def test_only_the_sender_hears_that_an_order_for_anothers_tenant_failed_and_learns_no_names(
    served: World,
) -> None:
    failed = OrderFailed(
        order_id=str(uuid4()),
        reference="ORD-1",
        reason="not_yours",
        explanation="another's",
        sender="VAR-B",
    )
    async with receiving(answering("200 OK")) as theirs, receiving(answering("200 OK")) as senders:
        await point(served, "VAR-A", theirs)
        await point(served, "VAR-B", senders)
        await served.tell(tenant_of("A"), failed)
        await served.gateway.settled()
        assert [item for item in theirs.told if failed.order_id.encode() in item.body] == []
        (told,) = [item for item in senders.told if failed.order_id.encode() in item.body]
        event = told.verified(served.secrets["VAR-B"])[0]
    assert (event["type"], event["subject"]) == ("vicino.order.failed.v1", tenant_of("A"))
    assert event["data"]["reason"] == "not_yours"
    assert b"Firm A" not in told.body


async def test_of_trouble_of_a_tenant_without_a_reseller_nobody_gets_a_webhook(
    served: World,
) -> None:
    opened = AlertOpened(
        alert_id=str(uuid4()), kind=AlertKind.INCIDENT, severity=Severity.P1, service_id=str(uuid4()), sku="MAIL-STD",
        reseller_id=None, summary="down", opened_at=NOW, acknowledge_by=NOW, resolve_by=None,
        visit=Visit(eligible=False, due_at=None, distance_km=Decimal(0)),
    )  # fmt: skip
    await served.tell(tenant_of("A"), opened)
    await served.gateway.settled()
    about = "select recipient from notification where alert_id = $1"
    assert await served.gateway.sql(about, opened.alert_id) == []


async def test_while_a_secret_is_rotated_a_webhook_is_signed_with_both(served: World) -> None:
    before = served.secrets["VAR-A"]
    answer = await served.call("POST", "/operator/v1/resellers/VAR-A/webhook-secret")
    after = served.secrets["VAR-A"] = answer.body["webhook_secret"]
    async with receiving(answering("200 OK")) as receiver:
        await point(served, "VAR-A", receiver)
        first = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), first)
        await attempts(served, first.alert_id, 1)
        receiver.told[-1].verified(before, after)
        served.clock.advance(timedelta(hours=25))
        second = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), second)
        await attempts(served, second.alert_id, 1)
        receiver.told[-1].verified(after)
        with pytest.raises(WebhookVerificationError):
            receiver.told[-1].verified(before)


async def test_however_often_a_secret_is_replaced_within_a_day_each_signs_along_for_its_own_day(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with (
        open_world(database, bootstrap, topic_prefix) as world,
        receiving(answering("200 OK")) as receiver,
    ):
        await world.serve("A", "VAR-A")
        await point(world, "VAR-A", receiver)
        path = "/operator/v1/resellers/VAR-A/webhook-secret"
        born = {world.secrets["VAR-A"]: world.clock.now()}
        replaced: dict[str, datetime] = {}
        for hours in (0, 1, 5, 5, 2, 12, 10, 3, 20, 24, 0, 23):
            world.clock.advance(timedelta(hours=hours))
            now = world.clock.now()
            live = [secret for secret in born if now < replaced.get(secret, now + timedelta(1))]
            answer = await world.call("POST", path)
            if len(live) > PAST_SECRETS_MAX:
                assert answer.status == 409, f"{len(live) - 1} still sign along"
            else:
                assert answer.status == 201
                current = list(born)[-1]
                replaced[current] = now + timedelta(hours=24)
                born[answer.body["webhook_secret"]] = now
                live.append(answer.body["webhook_secret"])
            opened = alert(world, "A", "VAR-A")
            await world.tell(tenant_of("A"), opened)
            await attempts(world, opened.alert_id, 1)
            signed = receiver.told[-1].headers["webhook-signature"].split()
            assert len(signed) == len(live)
            receiver.told[-1].verified(*live)
            for ended in born.keys() - set(live):
                with pytest.raises(WebhookVerificationError):
                    receiver.told[-1].verified(ended)
        assert (
            await world.call("POST", "/operator/v1/resellers/NOBODY/webhook-secret")
        ).status == 404


ANY, DAY = "12121212-0000-4000-8000-000000000001", "2026-11-01"
OF_CAP = {
    "service_id": ANY,
    "meters": ["m"],
    "month": DAY,
    "amount": "5.00",
    "hard": True,
    "spent": "5.00",
}
OF_INVOICE = {"invoice_id": ANY, "number": "2026/A/000001"}
MONEY: dict[type[Payload], dict[str, Any]] = {
    CapReached: {**OF_CAP, "percent": 100},
    CapForeseen: {**OF_CAP, "forecast": "9.00"},
    TenantCapReached: {**OF_CAP, "currency": "EUR", "percent": 100},
    TenantCapForeseen: {**OF_CAP, "currency": "EUR", "forecast": "9.00"},
    InvoicePaid: {**OF_INVOICE, "paid_on": DAY},
    InvoiceOverdue: {**OF_INVOICE, "due": DAY, "currency": "EUR", "open": "1.00"},
    CommissionAccrued: {
        **OF_INVOICE, "date": DAY, "model": "agency", "currency": "EUR", "rate_percent": "18", "uplift_percent": "0",
        "net": "10.00", "base_commission": "1.80", "uplift_commission": "0.00", "total": "1.80", "lines": [],
    },
    SettlementIssued: {
        "quarter": "2026-Q4", "currency": "EUR", "model": "agency", "lines": [], "vested": "1.80", "carried_in": "0",
        "due": "1.80", "carried_out": "0",
    },
}  # fmt: skip


async def test_a_reseller_hears_of_money_that_concerns_it_and_nobody_else_does(
    served: World,
) -> None:
    async with receiving(answering("204 No Content")) as own, receiving(answering("204 No Content")) as other:  # fmt: skip
        await point(served, "VAR-A", own)
        await point(served, "VAR-B", other)
        for kind, said in MONEY.items():
            # A statement is about the reseller itself; everything else about a tenant.
            subject = "VAR-A" if kind is SettlementIssued else tenant_of("A")
            await served.tell(subject, kind.model_validate({**said, "reseller_id": "VAR-A"}))
        await served.gateway.settled()
        told = [item.verified(served.secrets["VAR-A"])[0]["type"] for item in own.told]
        assert sorted(told) == sorted(kind.wire_type for kind in MONEY)
        assert other.told == []
