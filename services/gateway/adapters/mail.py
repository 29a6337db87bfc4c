"""Mail to the operator, through SMTP."""

from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import aiosmtplib

TIMEOUT_SECONDS = 20.0


class MailNotConfigured(RuntimeError):
    """No mail server or no operator's address is set: VICINO_SMTP_URL and VICINO_OPERATOR_EMAIL."""


def _line(text: object) -> str:
    """Text for a header: one line, whatever it holds."""
    return " ".join(str(text).split())[:200]


_WHY = {
    "delivery_failed": "The reseller could not be told of this alert; the service desk joins.",
    "no_reseller": "The tenant of this alert has no reseller; the service desk joins.",
}


def _why(data: dict[str, Any]) -> str:
    if "before" in data:
        return f"This alert, which the service desk has joined, rose from {data['before']} to {data['severity']}."
    return _WHY.get(str(data.get("reason")), "Nobody has acknowledged this alert in time; the service desk joins.")


def _body(event: dict[str, Any]) -> str:
    data, tenant = event["data"], event["data"]["tenant"]
    who, person = data.get("contact") or {}, tenant.get("contact") or {}
    return "\n".join([
        _why(data),
        "",
        f"Tenant:     {tenant['name']} ({tenant['external_id']})",
        f"Service:    {data['sku']} {data['service_id']}",
        f"Trouble:    {data['summary']}",
        f"Answer due: {data['acknowledge_by']}",
        f"Reseller:   {data['reseller_id']}, technician {who.get('name', '-')} {who.get('phone', '-')}",
        f"At the firm: {person.get('name', '-')} {person.get('phone', '-')}",
        f"Alert:      {data['alert_id']}",
    ])  # fmt: skip


class Mailer:
    """Sends mails. `url` is `smtp://[user:password@]host:port`, or `smtps://` where TLS comes first."""

    def __init__(self, url: str | None, operator: str | None, sender: str = "vicino@localhost") -> None:
        self._url, self._operator, self._sender = url, operator, sender

    async def send(self, message_id: str, event: dict[str, Any]) -> None:
        """Send a notification. Raises `MailNotConfigured`, `aiosmtplib.SMTPException`, `OSError`."""
        if not self._url or not self._operator:
            raise MailNotConfigured(str(MailNotConfigured.__doc__))
        parts = urlsplit(self._url)
        mail = EmailMessage()
        mail["From"], mail["To"] = self._sender, self._operator
        mail["Subject"] = _line(
            f"[Vicino] alert escalated: {event['data']['tenant']['name']} - {event['data']['summary']}"
        )
        mail["Message-ID"] = f"<{message_id}@vicino>"
        mail.set_content(_body(event))
        await aiosmtplib.send(
            mail, hostname=parts.hostname, port=parts.port, username=parts.username, password=parts.password,
            use_tls=parts.scheme == "smtps", timeout=TIMEOUT_SECONDS,
        )  # fmt: skip
