"""Signed webhooks (Standard Webhooks): resolved once, sent to the address that was checked, no redirects followed."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from standardwebhooks import Webhook
from yarl import URL

from services.chassis.names import Names, NameUnresolved, Pinned
from services.chassis.sealing import KeyRing, Sealer
from services.gateway.domain.addresses import AddressRefused, check_url, is_public
from services.gateway.domain.schedule import DeliveryVerdict, Outcome, judge

USER_AGENT = "Vicino"
TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a webhook goes, and the secrets it is signed with: two of them while one follows the other."""

    url: str
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Receiver(url={self.url!r})"


PURPOSE = "webhook-secret"


class WebhookSender:
    """Posts signed notifications."""

    def __init__(self, keys: KeyRing | bytes, allow_private: bool, names: Names) -> None:
        self._sealer, self._names = Sealer(keys, PURPOSE), names
        self._allow_private = allow_private

    def seal_secret(self, secret: str, row: str) -> bytes:
        """A signing secret as it is kept, sealed for a row (`sealed.py` names them)."""
        return self._sealer.seal(secret.encode(), row)

    def open_secret(self, sealed: bytes, row: str) -> str:
        """A signing secret as it is used. Raises `SealBroken`."""
        return self._sealer.open(sealed, row).decode()

    def check(self, url: str) -> None:
        """Whether this address may be registered. Raises `AddressRefused`."""
        check_url(url, self._allow_private)

    async def post(
        self, receiver: Receiver, message_id: str, body: bytes
    ) -> tuple[DeliveryVerdict, str]:
        """Send; returns what it means and a short word for the log. Never raises for what the receiver does."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._post(receiver, message_id, body)
        except (AddressRefused, NameUnresolved) as error:
            return DeliveryVerdict(Outcome.RETRY), str(error)
        except TimeoutError:
            return DeliveryVerdict(Outcome.RETRY), f"no answer within {TIMEOUT_SECONDS:.0f} s"
        except Exception as error:  # noqa: BLE001 - whatever a receiver or its address does is an attempt that failed
            return DeliveryVerdict(Outcome.RETRY), type(error).__name__

    async def _post(
        self, receiver: Receiver, message_id: str, body: bytes
    ) -> tuple[DeliveryVerdict, str]:
        # Signatures are checked against the receiver's own clock: they carry the machine's time, not the injected one.
        signed_at = datetime.now(UTC)
        text = body.decode()
        headers = {
            "content-type": "application/cloudevents+json",
            "user-agent": USER_AGENT,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": " ".join(
                Webhook(secret).sign(message_id, signed_at, text) for secret in receiver.secrets
            ),
        }
        host, port = check_url(receiver.url, self._allow_private)
        url = URL(receiver.url)
        if (url.raw_host, url.port) != (host, port):
            raise AddressRefused("the address can be read in two ways")
        connector = aiohttp.TCPConnector(
            resolver=Pinned(host, port, await self._addresses(host)), force_close=True
        )
        async with (
            aiohttp.ClientSession(connector=connector, auto_decompress=False) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            # The status decides: a body that stalls, breaks or never ends changes nothing, and nobody reads it.
            verdict = judge(answer.status, answer.headers.get("retry-after"), datetime.now(UTC))
            return verdict, f"answered {answer.status}"

    async def _addresses(self, host: str) -> list[str]:
        """Resolve once and refuse what is not public. A literal address is checked the same way."""
        addresses = await self._names.addresses(host)
        if not self._allow_private and not all(map(is_public, addresses)):
            raise AddressRefused("the address is not in the public internet")
        return addresses
