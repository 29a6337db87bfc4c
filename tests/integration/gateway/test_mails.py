"""The operator is notified by mail, on one line a value, and the log repeats no mail."""

from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller

from schemas.alerts import AlertEscalated
from services.local.ports import free_port
from tests.integration.gateway.notifying import attempts
from tests.integration.gateway.world import (
    CONTACT,
    NOW,
    open_world,
    order,
    tenant_of,
)
from tests.support.searching import found_in, tables


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
