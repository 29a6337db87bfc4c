"""What the acts share: the stack, the world around it, the story's clock, and what was expected."""

import asyncio
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from schemas.scalars import rfc3339
from services.chassis.clock import SteeredClock, steer
from services.local.demo.expectations import Expectations
from services.local.demo.usage import ROME, DemoService, Sending
from services.local.demo.world import Answer, Backend, DemoClient, Mailbox, Receivers
from services.local.stack import Stack
from services.onboarding.adapters.http import signing_secrets

WAIT_SECONDS = 45.0
ORDER = "vicino.order.placed.v1"


def rome(*parts: int) -> datetime:
    """A civil time in Rome."""
    return datetime(*parts, tzinfo=ROME)  # type: ignore[misc, arg-type]


def reasons(answer: Answer) -> list[str]:
    """Why a door refused."""
    return [error["reason"] for error in answer.body.get("errors", [])]


class Stage:
    """Where the story plays. `tell` shows a person what is going on; each act has its own."""

    tell: Callable[[str], None]

    def __init__(
        self, stack: Stack, session: aiohttp.ClientSession, clock_file: Path, mailbox: Mailbox
    ) -> None:
        self.stack, self.session, self.mailbox = stack, session, mailbox
        self.clock_file, self.clock = clock_file, SteeredClock(clock_file)
        self.expect = Expectations()
        self.receivers, self.backend = (
            Receivers(),
            Backend(secret=signing_secrets(b64decode(stack.master_key))[0]),
        )
        self.operator = DemoClient(session, stack.address("gateway"), stack.operator_token)
        self.console_api = DemoClient(session, stack.address("console"), stack.operator_token)
        self.billing_api = DemoClient(session, stack.address("billing"), stack.operator_token)
        self.keys: dict[str, str] = {}
        self.tenant_ids: dict[str, str] = {}
        self.posted_at: dict[str, datetime] = {}
        self.sending = Sending()
        self.refusals: Counter[str] = Counter()
        self.sent = 0
        self.troubled: dict[str, DemoService] = {}
        """Which service each kind of alert must be about."""

    def client(self, principal: str) -> DemoClient:
        """The system of a reseller or back-end."""
        return DemoClient(self.session, self.stack.address("gateway"), self.keys[principal])

    def now(self) -> str:
        """The story's time, as events carry it."""
        return rfc3339(self.clock.now())

    def leap(self, instant: datetime) -> None:
        """Make it that time for everyone."""
        steer(self.clock_file, instant)

    async def until(
        self, what: str, condition: Callable[[], Awaitable[Any]], seconds: float = WAIT_SECONDS
    ) -> Any:
        """Wait until something is so; if it does not become so, that is an expectation that did not hold."""
        deadline, found = time.monotonic() + seconds, None
        self.tell(what)
        while time.monotonic() < deadline:
            if found := await condition():
                break
            await asyncio.sleep(0.05)
        self.expect.that(what, bool(found), f"not within {seconds:.0f} s")
        return found

    async def read(self, path: str) -> Any:
        """Ask the console."""
        return (await self.console_api.call("GET", f"/api/v1/{path}")).body

    async def tenants(self) -> dict[str, dict[str, Any]]:
        """The console's tenants, by external id."""
        return {
            tenant["external_id"]: tenant
            for tenant in await self.read("tenants")
            if tenant["external_id"]
        }

    async def usage_account(self) -> dict[str, Any]:
        """sent = counted + duplicates + rejected, with every reason, at the door or behind it."""
        summary = (await self.billing_api.call("GET", "/v1/usage/summary")).body
        rejected = self.refusals + Counter(summary["rejected"])
        return {
            "sent": self.sent, "counted": summary["counted"], "duplicates": summary["duplicates"],
            "rejected": dict(sorted(rejected.items())),
        }  # fmt: skip

    async def services(self) -> list[DemoService]:
        """All active service instances."""
        return [
            DemoService(
                name,
                tenant["tenant_id"],
                service["service_id"],
                service["sku"],
                tenant["reseller_id"],
            )
            for name, tenant in sorted((await self.tenants()).items())
            for service in tenant["services"]
            if service["state"] == "active"
        ]
