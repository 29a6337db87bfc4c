"""A plain HTTP hook as a back-end: PUT, PATCH and DELETE of `{url}/services/{service_id}`.

Calls are signed as webhooks are (Standard Webhooks), so that a back-end knows who orders. They go to listed addresses
only, are resolved once, and follow no redirect.
"""

import asyncio
import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256

import aiohttp
from standardwebhooks import Webhook
from yarl import URL

from schemas.catalogue import ProvisioningStep
from schemas.scalars import plain
from services.chassis.jobs import GiveUp
from services.chassis.logs import logger
from services.chassis.names import Names, Pinned
from services.chassis.sealing import KeyRing, ring_of
from services.onboarding import metrics
from services.onboarding.adapters import Instance
from services.onboarding.domain.allowing import Allowed

TIMEOUT_SECONDS = 10.0
GONE = 404
FINAL = (400, 405, 410, 413, 414, 415, 422, 501)
"""The same request would get the same answer. What is to be taken back is asked for again all the same."""

USER_AGENT = "Vicino"

log = logger(__name__)


class BackendRefused(RuntimeError):
    """A back-end answered with an error status."""


class BackendNotAllowed(RuntimeError):
    """The address of a back-end is not listed. Tried again: whoever runs Vicino may list it."""


def signing_secrets(keys: KeyRing | bytes) -> list[str]:
    """What calls are signed with: derived from the master key, and from the one before it while it is replaced."""
    made = (hmac.digest(key, b"vicino|http driver", sha256) for key in ring_of(keys))
    return ["whsec_" + b64encode(secret).decode() for secret in made]


class HttpDriver:
    """Any application that can keep services by id. 2xx is done; a final refusal is final; everything else is tried again."""

    def __init__(self, keys: KeyRing | bytes, allowed: Allowed, names: Names) -> None:
        self._signers = [Webhook(secret) for secret in signing_secrets(keys)]
        self._allowed, self._names = allowed, names

    async def provision(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """PUT the service."""
        await self._call("PUT", instance, step, key)

    async def change(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """PATCH its quantities and its state. A back-end that cannot suspend refuses the state for good (422)."""
        await self._call("PATCH", instance, step, key)

    async def exists(self, instance: Instance, step: ProvisioningStep, key: str) -> bool:
        """The hook has no way to ask."""
        return True

    async def deprovision(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """DELETE the service; 404 is as good."""
        await self._call("DELETE", instance, step, key, also_good=GONE)

    async def _call(
        self,
        method: str,
        instance: Instance,
        step: ProvisioningStep,
        key: str,
        also_good: int = 200,
    ) -> None:
        if not step.url:
            raise GiveUp("the plan's http step has no url")
        body = {
            # The method is in the body too, where the signature covers it.
            "method": method,
            "service_id": instance.service_id,
            "tenant_id": instance.tenant_id,
            "sku": instance.sku,
            "quantities": {
                meter: plain(quantity) for meter, quantity in instance.quantities.items()
            },
        }
        if (
            instance.is_suspended
        ):  # left out otherwise, as it was before services could be suspended
            body["state"] = "suspended"
        url = _url(f"{step.url.rstrip('/')}/services/{instance.service_id}")
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        with metrics.DRIVER_SECONDS.labels("http", method).time():
            async with asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._send(method, url, text, key)
        if status in FINAL and method != "DELETE":
            raise GiveUp(f"{method} answered {status}")
        if not (200 <= status < 300 or status == also_good):
            raise BackendRefused(f"{method} answered {status}")

    async def _send(self, method: str, url: URL, text: str, key: str) -> int:
        host, port = url.raw_host or "", url.port or 0
        pinned = Pinned(host, port, await self._addresses(host, port))
        connector = aiohttp.TCPConnector(resolver=pinned, force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector, auto_decompress=False) as session,
            session.request(
                method, url, data=text.encode(), headers=self._headers(text, key), allow_redirects=False
            ) as answer,
        ):  # fmt: skip
            return answer.status

    def _headers(self, text: str, key: str) -> dict[str, str]:
        # Signatures are checked against the receiver's own clock: they carry the machine's time, not the injected one.
        signed_at = datetime.now(UTC)
        return {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "idempotency-key": key,
            "webhook-id": key,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": " ".join(
                signer.sign(key, signed_at, text) for signer in self._signers
            ),
        }

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Resolve once, and see that all of it is listed. Raises `BackendNotAllowed`, `NameUnresolved`."""
        addresses = await self._names.addresses(host)
        if not self._allowed.permits(host, port, addresses):
            # What a job says of its error may reach a reseller: which host it is stays in the log.
            log.warning(
                "a back-end is not in VICINO_HTTP_DRIVER_ALLOW",
                host=host,
                port=port,
                addresses=addresses,
            )
            raise BackendNotAllowed("the back-end is not in VICINO_HTTP_DRIVER_ALLOW")
        return addresses


def _url(text: str) -> URL:
    """The address of a call. Raises `GiveUp` for what is none: no later attempt can mend it."""
    try:
        url = URL(text)
    except ValueError:
        raise GiveUp("the address of the plan's http step is no URL") from None
    if url.scheme not in ("http", "https") or not url.raw_host:
        raise GiveUp("the address of the plan's http step is no http or https URL")
    return url
