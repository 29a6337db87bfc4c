"""Resellers are told, signed, at least once and under one id; a bad receiver harms nobody but itself."""

import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from prometheus_client import REGISTRY
from standardwebhooks import WebhookVerificationError

from schemas.alerts import AlertEscalated, AlertKind, AlertOpened, Visit
from schemas.deliveries import DeliveryFailed, DeliverySucceeded
from schemas.scalars import read_instant
from schemas.signals import Severity
from schemas.tenants import OrderDelayed, OrderFailed
from services.gateway import housekeeping
from services.gateway.adapters import webhook
from services.gateway.domain.keys import PAST_SECRETS_MAX
from services.local.ports import free_port
from tests.integration.gateway.receivers import (
    Behaviour,
    Receiver,
    answering,
    babble,
    close_early,
    flood,
    hang,
    receiving,
    slow_loris,
)
from tests.integration.gateway.world import (
    CONTACT,
    NOW,
    World,
    assigned,
    open_world,
    order,
    reseller,
    tenant_of,
)
from tests.support.searching import found_in, tables


def alert(world: World, firm: str, reseller_id: str) -> AlertOpened:
    return AlertOpened(
        alert_id=str(uuid4()), kind=AlertKind.INCIDENT, severity=Severity.P1, service_id=world.services[firm],
        sku="ERP-CLOUD", reseller_id=reseller_id, summary="down", opened_at=NOW,
        acknowledge_by=NOW + timedelta(minutes=15), resolve_by=None,
        visit=Visit.model_validate({"eligible": False, "due_at": None, "distance_km": "1.0"}),
    )  # fmt: skip


async def point(world: World, name: str, receiver: Receiver) -> None:
    """Make a reseller's webhooks go to a receiver."""
    answer = await world.call("PUT", f"/operator/v1/resellers/{name}", reseller(name, receiver.url))
    assert answer.status == 200


async def log_of(world: World, alert_id: str) -> dict[str, Any]:
    """The line of the delivery log about an alert, and whether it is being delivered just now."""
    query = """
        select *, exists (select from job where key = notification.id::text and lease_token is not null) as at_work
        from notification where alert_id = $1
    """
    found = await world.gateway.sql(query, alert_id)
    return dict(found[0]) if found else {}


async def attempts(
    world: World, alert_id: str, n: int, tick: timedelta = timedelta(0)
) -> dict[str, Any]:
    """Wait until an alert was tried `n` times, and what comes next is decided; time goes on by `tick` per look."""

    async def tried() -> Any:
        line = await log_of(world, alert_id)
        if not line or line["attempts"] < n:
            world.clock.advance(tick)
            return None
        return None if line["at_work"] else line

    found: dict[str, Any] = await world.gateway.eventually(tried)
    return found


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


HOSTILE: dict[str, tuple[Behaviour, str]] = {
    "500": (answering("500 Oh"), "answered 500"),
    "302": (answering("302 Found", location="http://127.0.0.1:1/"), "answered 302"),
    "hang": (hang, "no answer"),
    "slow loris": (slow_loris, ""),
    "early close": (close_early, ""),
    "no HTTP": (babble, ""),
    "headers without end": (answering("200 OK", x="a" * 100_000), ""),
}


@pytest.mark.parametrize(("behaviour", "answer"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_receiver_is_tried_again_by_the_schedule(
    served: World, behaviour: Behaviour, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.5)
    async with receiving(behaviour) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), opened)
        line = await attempts(served, opened.alert_id, 1)
        assert line["state"] == "waiting"
        assert line["last_answer"].startswith(answer)
        receiver.behaviour = answering("200 OK")
        served.clock.advance(timedelta(seconds=6))
        # What earlier tests left for this recipient may go first; then ours steps aside, and time must go on.
        line = await attempts(served, opened.alert_id, 2, tick=timedelta(seconds=1))
        assert line["state"] == "delivered"
    assert (
        len(
            {
                told.headers["webhook-id"]
                for told in receiver.told
                if opened.alert_id.encode() in told.body
            }
        )
        == 1
    )


async def test_a_receiver_that_talks_without_end_after_its_yes_is_cut_and_counts_as_told(
    served: World,
) -> None:
    async with receiving(flood) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), opened)
        assert (await attempts(served, opened.alert_id, 1))["state"] == "delivered"


async def test_retry_after_is_honoured_when_it_is_longer_than_the_schedule(served: World) -> None:
    async with receiving(answering("429 Slow", retry_after="600")) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        before = served.clock.now()
        await served.tell(tenant_of("A"), opened)
        line = await attempts(served, opened.alert_id, 1)

        async def waiting() -> Any:
            return await served.gateway.sql(
                "select run_at from job where key = $1 and lease_token is null", line["id"]
            )

        assert (await served.gateway.eventually(waiting))[0]["run_at"] == before + timedelta(
            seconds=600
        )


async def test_410_closes_the_address_until_it_is_registered_again_and_redelivery_works(
    served: World,
) -> None:
    async with receiving(answering("410 Gone")) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), opened)
        line = await attempts(served, opened.alert_id, 1)
        await served.gateway.settled()
        assert (await log_of(served, opened.alert_id))["state"] == "failed"
        second = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), second)
        await served.gateway.settled()
        assert (await log_of(served, second.alert_id))[
            "last_answer"
        ] == "this recipient takes no webhooks"
        assert len(receiver.told) == 1
        receiver.behaviour = answering("200 OK")
        await point(served, "VAR-A", receiver)
        answer = await served.call("POST", f"/operator/v1/deliveries/{line['id']}/redeliver")
        assert answer.status == 202
        await attempts(served, opened.alert_id, 2)
        assert [told.headers["webhook-id"] for told in receiver.told] == [line["id"]] * 2
    failed = [fact.data for fact in await served.gateway.published(DeliveryFailed)]
    assert [fact.attempts for fact in failed if fact.alert_id == opened.alert_id] == [1]


async def test_after_ten_attempts_a_delivery_has_failed(served: World) -> None:
    async with receiving(answering("500 Oh")) as receiver:
        await point(served, "VAR-A", receiver)
        opened = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), opened)
        line = await attempts(served, opened.alert_id, 10, tick=timedelta(minutes=30))
        assert (line["state"], line["attempts"]) == ("failed", 10)
        assert len([told for told in receiver.told if opened.alert_id.encode() in told.body]) == 10
    failed = [fact.data for fact in await served.gateway.published(DeliveryFailed)]
    assert [fact.attempts for fact in failed if fact.alert_id == opened.alert_id] == [10]


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


async def test_an_address_that_410_closed_is_told_to_its_reseller_and_to_the_operator(
    served: World,
) -> None:
    def closed() -> float | None:
        return REGISTRY.get_sample_value("vicino_gateway_webhooks_closed")

    async def me(key: str) -> Any:
        return (await served.call("GET", "/v1/me", key=key)).body

    async with receiving(answering("410 Gone")) as receiver:
        await point(served, "VAR-A", receiver)
        assert await me("VAR-A") == {
            "kind": "reseller", "id": "VAR-A", "webhook": {"open": True, "closed_at": None}
        }  # fmt: skip
        opened = alert(served, "A", "VAR-A")
        await served.tell(tenant_of("A"), opened)
        await attempts(served, opened.alert_id, 1)
        await served.gateway.settled()
        told = (await me("VAR-A"))["webhook"]
        assert (told["open"], read_instant(told["closed_at"])) == (False, served.clock.now())
        assert (await me("VAR-B"))["webhook"]["open"]
        assert closed() == 1
        await point(served, "VAR-A", receiver)
        await housekeeping.tidy(served.gateway.runtime)
        assert ((await me("VAR-A"))["webhook"]["open"], closed()) == (True, 0)
        assert await me("erp") == {"kind": "backend", "id": "erp"}


async def test_a_storm_for_a_dead_receiver_delays_nobody_else(served: World) -> None:
    async with receiving(hang) as dead, receiving(answering("200 OK")) as alive:
        await point(served, "VAR-A", dead)
        await point(served, "VAR-B", alive)
        await served.tell(tenant_of("A"), *(alert(served, "A", "VAR-A") for _ in range(300)))
        await served.gateway.eventually(lambda: _has_callers(dead))
        opened = alert(served, "B", "VAR-B")
        await served.tell(tenant_of("B"), opened)
        began = time.monotonic()
        await attempts(served, opened.alert_id, 1)
        assert time.monotonic() - began < 5.0
        assert len(dead.told) <= 16


async def _has_callers(receiver: Receiver) -> bool:
    return len(receiver.told) > 0


async def test_an_escalation_reaches_the_operator_by_mail_and_no_name_breaks_its_head(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    letters: list[Any] = []

    class Mailbox:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            letters.append(envelope)
            return "250 OK"

    port = free_port()
    mailbox = Controller(Mailbox(), hostname="127.0.0.1", port=port)
    mailbox.start()
    try:
        more = {
            "smtp_url": f"smtp://127.0.0.1:{port}",
            "operator_email": "scenario@operator.example",
        }
        async with open_world(database, bootstrap, topic_prefix, **more) as world:
            await world.serve("A", "VAR-A")
            escalated = AlertEscalated(
                alert_id=str(uuid4()), reseller_id="VAR-A", service_id=world.services["A"], sku="ERP-CLOUD",
                summary="down\r\nBcc: everybody@example.it", acknowledge_by=NOW, escalated_at=NOW,
            )  # fmt: skip
            await world.tell(tenant_of("A"), escalated)
            await attempts(world, escalated.alert_id, 1)
    finally:
        mailbox.stop()
    text = letters[0].content.decode()
    assert letters[0].rcpt_tos == ["scenario@operator.example"]
    assert "Firm A" in text
    assert "Tecnico VAR-A" in text
    assert "\nBcc:" not in text.split("\r\n\r\n")[0]


async def test_of_what_a_mail_server_says_only_its_code_is_kept_for_it_may_repeat_the_mail(
    database: str, bootstrap: str, topic_prefix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    class Echo:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            said = " ".join(envelope.content.decode().split("At the firm:")[1].split()[:2])
            return f"554 not to {said}"

    port = free_port()
    mailbox = Controller(Echo(), hostname="127.0.0.1", port=port)
    mailbox.start()
    try:
        more = {
            "smtp_url": f"smtp://127.0.0.1:{port}",
            "operator_email": "scenario@operator.example",
        }
        async with open_world(database, bootstrap, topic_prefix, **more) as world:
            await world.serve("A", "VAR-A")
            assert (await world.post(order("A"))).status == 202
            escalated = AlertEscalated(
                alert_id=str(uuid4()), reseller_id="VAR-A", service_id=world.services["A"], sku="ERP-CLOUD",
                summary="down", acknowledge_by=NOW, escalated_at=NOW,
            )  # fmt: skip
            await world.tell(tenant_of("A"), escalated)
            row = await attempts(world, escalated.alert_id, 1)
            assert row["last_answer"] == "SMTPDataError 554"
            [job] = await world.gateway.sql("select last_error from job where kind = 'send_email'")
            assert job["last_error"] == "SMTPDataError 554"
            places = await tables(database) | {"the log": "".join(capfd.readouterr()).encode()}
            assert {
                place for place, content in places.items() if found_in(content, CONTACT.values())
            } == set()
    finally:
        mailbox.stop()
