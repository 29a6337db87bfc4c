"""Mail to the operator, through SMTP."""

from email.message import EmailMessage
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib

from services.chassis.texts import one_line

TIMEOUT_SECONDS = 20.0


class MailNotConfigured(RuntimeError):
    """No mail server or no operator's address is set: VICINO_SMTP_URL and VICINO_OPERATOR_EMAIL."""


LINE_LENGTH_MAX = 500

_WHY = {
    "delivery_failed": "The reseller could not be notified of this alert; the service desk joins.",
    "no_reseller": "The tenant of this alert has no reseller; the service desk joins.",
}


def _why(data: dict[str, Any]) -> str:
    if "before" in data:
        return f"This alert, which the service desk has joined, rose from {data['before']} to {data['severity']}."
    return _WHY.get(
        str(data.get("reason")),
        "Nobody has acknowledged this alert in time; the service desk joins.",
    )


def _body(event: dict[str, Any]) -> str:
    data, tenant = event["data"], event["data"]["tenant"]
    who, person = data.get("contact") or {}, tenant.get("contact") or {}
    values = {
        "Tenant": f"{tenant['name']} ({tenant['external_id']})",
        "Service": f"{data['sku']} {data['service_id']}",
        "Trouble": data["summary"],
        "Answer due": data["acknowledge_by"],
        "Reseller": f"{data['reseller_id']}, technician {who.get('name', '-')} {who.get('phone', '-')}",
        "At the firm": f"{person.get('name', '-')} {person.get('phone', '-')}",
        "Alert": data["alert_id"],
    }
    lines = [
        f"{name + ':':<12}{one_line(value, LINE_LENGTH_MAX)}" for name, value in values.items()
    ]
    return "\n".join([one_line(_why(data), LINE_LENGTH_MAX), "", *lines])


class Mailer:
    """Sends mails. `url` is `smtp://[user:password@]host:port`, or `smtps://` where TLS comes first."""

    def __init__(
        self, url: str | None, operator: str | None, sender: str = "vicino@localhost"
    ) -> None:
        self._url, self._operator, self._sender = url, operator, sender

    async def send(self, message_id: str, event: dict[str, Any]) -> None:
        """Send a notification. Raises `MailNotConfigured`, `aiosmtplib.SMTPException`, `OSError`."""
        if not self._url or not self._operator:
            raise MailNotConfigured(str(MailNotConfigured.__doc__))
        parts = urlsplit(self._url)
        mail = EmailMessage()
        mail["From"], mail["To"] = self._sender, self._operator
        mail["Subject"] = one_line(
            f"[Vicino] alert escalated: {event['data']['tenant']['name']} - {event['data']['summary']}",
            LINE_LENGTH_MAX,
        )
        mail["Date"] = formatdate(usegmt=True)
        mail["Message-ID"] = f"<{message_id}@vicino>"
        mail.set_content(_body(event))
        is_tls = parts.scheme == "smtps"
        # A password never travels in clear: with one, a server without TLS is refused.
        start_tls = True if parts.username and not is_tls else False if is_tls else None
        await aiosmtplib.send(
            mail, hostname=parts.hostname, port=parts.port, username=_unquoted(parts.username),
            password=_unquoted(parts.password), use_tls=is_tls, start_tls=start_tls, timeout=TIMEOUT_SECONDS,
        )  # fmt: skip


def mail_fault(error: Exception) -> str:
    """Why a mail was not sent, without what the server said: it may repeat the mail, and the mail names persons."""
    if isinstance(error, MailNotConfigured):
        return str(error)
    code = getattr(error, "code", None)
    return f"{type(error).__name__} {code}" if isinstance(code, int) else type(error).__name__


def _unquoted(part: str | None) -> str | None:
    return None if part is None else unquote(part)
