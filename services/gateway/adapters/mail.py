"""Mail, through SMTP."""

from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import unquote, urlsplit

import aiosmtplib

TIMEOUT_SECONDS = 20.0


class MailNotConfigured(RuntimeError):
    """No mail server or no address is set: VICINO_SMTP_URL, and VICINO_OPERATOR_EMAIL for the operator."""


class Mailer:
    """Sends mails. `url` is `smtp://[user:password@]host:port`, or `smtps://` where TLS comes first; `sender` is their From."""

    def __init__(self, url: str | None, operator: str | None, sender: str) -> None:
        self._url, self.operator, self._sender = url, operator, sender

    async def send(self, message_id: str, to: str | None, subject: str, text: str) -> None:
        """Send a mail. Raises `MailNotConfigured`, `aiosmtplib.SMTPException`, `OSError`."""
        if not self._url or not to:
            raise MailNotConfigured(str(MailNotConfigured.__doc__))
        parts = urlsplit(self._url)
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._sender, to, subject
        mail["Date"] = formatdate(usegmt=True)
        mail["Message-ID"] = f"<{message_id}@{self._sender.rpartition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"  # nobody's holiday notice answers it (RFC 3834)
        mail.set_content(text)
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
