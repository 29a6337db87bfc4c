"""A mail holds one line a value, and no password leaves in clear."""

import asyncio
import sys
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import aiosmtplib
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

from services.chassis.texts import one_line
from services.gateway.adapters.mail import Mailer
from services.gateway.outbound.mail_text import body_of, subject_of
from services.local.ports import free_port

BREAKING = [
    chr(point)
    for point in range(sys.maxunicode + 1)
    if unicodedata.category(chr(point)) in ("Cc", "Cf", "Zl", "Zp")
]
FIELDS = (
    "name",
    "external_id",
    "sku",
    "summary",
    "acknowledge_by",
    "reseller_id",
    "alert_id",
    "technician",
    "firm",
)
FORGED = "Reseller:    forged"


def escalation(**values: str) -> dict[str, Any]:
    text = {field: field for field in FIELDS} | values
    return {
        "type": "vicino.alert.escalated.v1",
        "time": "2026-12-03T08:00:00Z",
        "data": {
            "tenant": {
                "name": text["name"], "external_id": text["external_id"],
                "contact": {"name": text["firm"], "phone": text["firm"]},
            },
            "contact": {"name": text["technician"], "phone": text["technician"]},
            "sku": text["sku"], "service_id": "service", "summary": text["summary"],
            "acknowledge_by": text["acknowledge_by"], "reseller_id": text["reseller_id"], "alert_id": text["alert_id"],
        }
    }  # fmt: skip


class Inbox:
    """Keeps what it is sent, and knows whether it was given a password."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.passwords = 0

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(envelope)
        return "250 OK"

    def authenticate(self, *_: Any) -> AuthResult:
        self.passwords += 1
        return AuthResult(success=True)


@asynccontextmanager
async def smtp() -> AsyncIterator[tuple[Inbox, int]]:
    inbox, port = Inbox(), free_port()
    server = Controller(
        inbox,
        hostname="127.0.0.1",
        port=port,
        authenticator=inbox.authenticate,
        auth_require_tls=False,
    )
    await asyncio.to_thread(server.start)
    try:
        yield inbox, port
    finally:
        await asyncio.to_thread(server.stop)


async def send(url: str, event: dict[str, Any], *, to_operator: bool = True) -> None:
    subject, text = (say(event, to_operator=to_operator) for say in (subject_of, body_of))
    await Mailer(url, None, "vicino@asp.example").send("m-1", "ops@example.org", subject, text)


def test_no_sign_that_breaks_or_reorders_a_line_is_left_of_a_value() -> None:
    assert len(BREAKING) > 200
    assert {one_line(f"a{sign}b") for sign in BREAKING} == {"a b"}


@pytest.mark.parametrize(
    ("wire_type", "to_operator"),
    [
        ("vicino.alert.escalated.v1", True),
        ("vicino.alert.opened.v1", False),
        ("vicino.invoice.issued.v1", False),
    ],
)
@pytest.mark.parametrize("field", FIELDS)
async def test_no_value_forges_a_line_of_a_mail(
    field: str, wire_type: str, to_operator: bool
) -> None:
    async with smtp() as (inbox, port):
        value = "".join(
            f"{sign}{FORGED}{sign}\n" for sign in ("\r", "\n", "\x0b", "\x85", "\u2028")
        )
        event = escalation(**{field: value}) | {"type": wire_type}
        await send(f"smtp://127.0.0.1:{port}", event, to_operator=to_operator)
        content = inbox.mails[0].content
        assert isinstance(content, bytes)
        lines = content.decode().splitlines()
        assert [line for line in lines if line.startswith(FORGED)] == []


async def test_a_mail_says_when_it_was_written_and_has_an_id() -> None:
    async with smtp() as (inbox, port):
        await send(f"smtp://127.0.0.1:{port}", escalation())
        content = inbox.mails[0].content
        assert isinstance(content, bytes)
        head = dict(
            line.split(": ", 1)
            for line in content.decode().split("\r\n\r\n")[0].splitlines()
            if ": " in line
        )
        assert parsedate_to_datetime(head["Date"]).tzinfo is not None
        assert head["Message-ID"] == "<m-1@asp.example>"


async def test_a_password_never_leaves_in_clear() -> None:
    async with smtp() as (inbox, port):
        with pytest.raises(aiosmtplib.SMTPException):
            await send(f"smtp://user:p%40ss@127.0.0.1:{port}", escalation())
        assert (inbox.passwords, inbox.mails) == (0, [])
