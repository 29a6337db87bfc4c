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
FORGED = "Reseller:   forged"


def escalation(**values: str) -> dict[str, Any]:
    text = {field: field for field in FIELDS} | values
    return {
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


def test_no_sign_that_breaks_or_reorders_a_line_is_left_of_a_value() -> None:
    assert len(BREAKING) > 200
    assert {one_line(f"a{sign}b") for sign in BREAKING} == {"a b"}


@pytest.mark.parametrize("field", FIELDS)
async def test_no_value_forges_a_line_of_a_mail(field: str) -> None:
    async with smtp() as (inbox, port):
        value = "".join(
            f"{sign}{FORGED}{sign}\n" for sign in ("\r", "\n", "\x0b", "\x85", "\u2028")
        )
        await Mailer(f"smtp://127.0.0.1:{port}", "ops@example.org").send(
            "m-1", escalation(**{field: value})
        )
        content = inbox.mails[0].content
        assert isinstance(content, bytes)
        lines = content.decode().splitlines()
        assert [line for line in lines if line.startswith(FORGED)] == []


async def test_a_mail_says_when_it_was_written_and_has_an_id() -> None:
    async with smtp() as (inbox, port):
        await Mailer(f"smtp://127.0.0.1:{port}", "ops@example.org").send("m-1", escalation())
        content = inbox.mails[0].content
        assert isinstance(content, bytes)
        head = dict(
            line.split(": ", 1)
            for line in content.decode().split("\r\n\r\n")[0].splitlines()
            if ": " in line
        )
        assert parsedate_to_datetime(head["Date"]).tzinfo is not None
        assert head["Message-ID"] == "<m-1@vicino>"


async def test_a_password_never_leaves_in_clear() -> None:
    async with smtp() as (inbox, port):
        mailer = Mailer(f"smtp://user:p%40ss@127.0.0.1:{port}", "ops@example.org")
        with pytest.raises(aiosmtplib.SMTPException):
            await mailer.send("m-1", escalation())
        assert (inbox.passwords, inbox.mails) == (0, [])
