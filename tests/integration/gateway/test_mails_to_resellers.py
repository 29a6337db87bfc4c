"""A reseller that wants mails gets its notifications so: beside its webhooks, or instead of them."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.deliveries import DeliveryFailed
from schemas.tenants import TenantActivated
from services.gateway.app import GatewaySettings
from tests.integration.gateway.mailbox import Mailbox, serving
from tests.integration.gateway.notifying import alert, attempts
from tests.integration.gateway.receivers import answering, receiving
from tests.integration.gateway.world import NOW, World, open_world, reseller, tenant_of

FROM = "vicino@asp.example"


@asynccontextmanager
async def mailing(
    database: str, bootstrap: str, prefix: str
) -> AsyncIterator[tuple[World, Mailbox]]:
    with serving() as mailbox:
        more = {"smtp_url": f"smtp://127.0.0.1:{mailbox.port}", "mail_from": FROM}
        async with open_world(database, bootstrap, prefix, **more) as world:
            yield world, mailbox


async def put(world: World, name: str, **more: Any) -> int:
    spec = reseller(name) | more
    return (await world.call("PUT", f"/operator/v1/resellers/{name}", spec)).status


async def test_an_alert_is_mailed_to_the_technician_with_whom_to_call(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with mailing(database, bootstrap, topic_prefix) as (world, mailbox):
        assert await put(world, "VAR-A", notify_by="email", webhook_url="") == 200
        await world.serve("A", "VAR-A")
        mailbox.letters.clear()
        opened = alert(world, "A", "VAR-A")
        await world.tell(tenant_of("A"), opened)
        await world.gateway.settled()
    [(to, letter)] = mailbox.letters
    text = letter.get_content()
    assert to == [reseller("VAR-A")["contact"]["email"]]
    assert letter["From"] == FROM
    assert letter["Message-ID"].endswith("@asp.example>")
    assert letter["Date"]
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Subject"] == f"[Vicino] alert opened: Firm A - {opened.summary}"
    for said in ("Please acknowledge", "Firm A (SME-A)", "Tecnico VAR-A", opened.alert_id):
        assert said in text


async def test_both_ways_carry_the_same_facts_and_each_has_its_line(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with (
        mailing(database, bootstrap, topic_prefix) as (world, mailbox),
        receiving(answering("204 No Content")) as receiver,
    ):
        assert await put(world, "VAR-A", notify_by="both", webhook_url=receiver.url) == 200
        service_id = await world.serve("A", "VAR-A")
        receiver.told.clear()
        mailbox.letters.clear()
        active = TenantActivated(
            external_id="SME-A", reseller_id="VAR-A", order_id=service_id, services=(service_id,), effective_at=NOW
        )  # fmt: skip
        await world.tell(tenant_of("A"), active)
        await world.gateway.settled()
        [told] = receiver.told
        [(_, letter)] = mailbox.letters
        rows = await world.gateway.sql(
            "select id, channel, state from notification where about = 'vicino.tenant.activated.v1' order by channel"
        )
        assert [(row["channel"], row["state"]) for row in rows] == [
            ("email", "delivered"),
            ("webhook", "delivered"),
        ]
        assert told.headers["webhook-id"] == rows[1]["id"]
        assert letter["Message-ID"] == f"<{rows[0]['id']}@asp.example>"
        assert letter["Subject"] == "[Vicino] tenant activated: Firm A"
        # Each can be sent again by itself, and goes the way it went.
        answer = await world.call(
            "POST", f"/v1/deliveries/{rows[0]['id']}/redeliver", None, "VAR-A"
        )
        assert answer.status == 202
        await world.gateway.settled()
        assert (len(receiver.told), len(mailbox.letters)) == (1, 2)


async def test_what_waits_for_a_webhook_ends_when_its_reseller_wants_mails_instead(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with (
        mailing(database, bootstrap, topic_prefix) as (world, mailbox),
        receiving(answering("503 Service Unavailable")) as silent,
    ):
        assert await put(world, "VAR-A", webhook_url=silent.url) == 200
        await world.serve("A", "VAR-A")
        opened = alert(world, "A", "VAR-A")
        await world.tell(tenant_of("A"), opened)
        await attempts(world, opened.alert_id, 1)
        assert await put(world, "VAR-A", notify_by="email", webhook_url="") == 200
        await world.gateway.settled()
        rows = await world.gateway.sql(
            "select distinct channel, state, last_answer from notification"
        )
        assert [tuple(row) for row in rows] == [
            ("webhook", "failed", "this recipient takes no webhooks")
        ]
        [failed] = [
            event
            for event in await world.gateway.published(DeliveryFailed)
            if event.data.alert_id == opened.alert_id
        ]
        assert failed.data.recipient == "VAR-A"
    assert mailbox.letters == []


async def test_a_test_goes_the_way_that_is_wanted_and_what_was_put_is_read_back(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with mailing(database, bootstrap, topic_prefix) as (world, mailbox):
        assert await put(world, "VAR-A", notify_by="email", webhook_url="") == 200
        answer = await world.call("GET", "/operator/v1/resellers/VAR-A")
        assert (answer.body["notify_by"], answer.body["webhook_url"]) == ("email", "")
        assert (await world.call("POST", "/v1/me/test", None, "VAR-A")).status == 202
        await world.gateway.settled()
    [(_, letter)] = mailbox.letters
    assert letter["Subject"].startswith("[Vicino] webhook tested")


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"webhook_url": ""}, "/webhook_url"),
        ({"notify_by": "both", "webhook_url": ""}, "/webhook_url"),
        ({"notify_by": "email", "contact": {"email": "nobody"}}, "/contact/email"),
        ({"notify_by": "email", "contact": {"email": "a@b.it\r\nBcc: c@d.it"}}, "/contact/email"),
        ({"notify_by": "email", "contact": {"email": "a@b.it, c@d.it"}}, "/contact/email"),
        ({"notify_by": "pigeon"}, "/notify_by"),
    ],
)
async def test_a_reseller_that_nothing_could_reach_is_refused(
    world: World, more: dict[str, Any], pointer: str
) -> None:
    contact = reseller("VAR-N")["contact"] | more.pop("contact", {})
    spec = reseller("VAR-N") | more | {"contact": contact}
    answer = await world.call("PUT", "/operator/v1/resellers/VAR-N", spec)
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, pointer)


async def ask_for_a_test(home: Path, *more: str, **settings: str) -> tuple[int, str]:
    """`vicino mail test`, with settings in the stack's file."""
    home.mkdir(exist_ok=True)
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    (home / "settings.env").write_text(lines, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "mail", "test", "--home", str(home), *more,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_an_operator_tries_the_mail_settings(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serving() as mailbox:
        settings = {"VICINO_SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}", "VICINO_MAIL_FROM": FROM}
        code, said = await ask_for_a_test(home, "--to", "anna@asp.example", **settings)
        assert (code, "sent from vicino@asp.example to anna@asp.example" in said) == (0, True)
    [(to, letter)] = mailbox.letters
    assert (to, letter["From"], letter["Subject"]) == (["anna@asp.example"], FROM, "[Vicino] test")
    code, said = await ask_for_a_test(home, **settings)
    assert (code, "VICINO_OPERATOR_EMAIL" in said) == (1, True)
    code, said = await ask_for_a_test(home, "--to", "anna@asp.example", **settings)
    assert (code, "the mail server did not take it" in said) == (1, True)
    code, said = await ask_for_a_test(home, VICINO_SMPT_URL="smtp://127.0.0.1:25")
    assert (code, "perhaps VICINO_SMTP_URL" in said, "Traceback" in said) == (1, True, False)


def test_a_sender_that_is_no_address_is_refused_at_start() -> None:
    with pytest.raises(ValidationError, match="mail_from"):
        GatewaySettings(postgres_url="-", kafka_bootstrap="-", mail_from="Vicino")
