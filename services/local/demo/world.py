"""The world around Vicino in the demo: senders, receivers and a back-end, all real: HTTP, SMTP, signatures."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiosmtpd.controller import Controller
from standardwebhooks import Webhook, WebhookVerificationError

from services.local.ports import free_port

DATA = Path(__file__).parent / "data"
PARTIES: dict[str, Any] = json.loads((DATA / "parties.json").read_text(encoding="utf-8"))
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"


def catalogue(backend_url: str) -> dict[str, Any]:
    """The example catalogue, with the address of its HTTP back-end filled in."""
    text = (DATA / "catalogue.json").read_text(encoding="utf-8")
    filled: dict[str, Any] = json.loads(text.replace("${BACKEND_URL}", backend_url))
    return filled


def cloud_event(
    kind: str,
    event_id: str,
    source: str,
    time: str,
    data: Mapping[str, Any],
    subject: str | None = None,
) -> dict[str, Any]:
    """A CloudEvent as a sender writes it."""
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": kind,
        "time": time,
        "data": data,
    }
    return event | ({"subject": subject} if subject else {})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a door answered."""

    status: int
    body: Any


class DemoClient:
    """A system that speaks HTTP: a reseller's, a back-end's, or the operator's."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str) -> None:
        self._session, self._base = session, base
        self._headers = {"Authorization": f"Bearer {token}"}

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        """A JSON request."""
        async with self._session.request(
            method, self._base + path, json=body, headers=self._headers
        ) as answer:
            return Answer(
                answer.status,
                await answer.json(content_type=None) if answer.status != 204 else None,
            )

    async def raw(self, body: bytes, content_type: str = STRUCTURED) -> Answer:
        """Bytes to the door of events, as they are."""
        headers = {**self._headers, "Content-Type": content_type}
        async with self._session.post(
            f"{self._base}/v1/events", data=body, headers=headers
        ) as answer:
            return Answer(answer.status, await answer.json(content_type=None))

    async def send(self, event: Mapping[str, Any]) -> Answer:
        """One event."""
        return await self.raw(json.dumps(event).encode())

    async def send_batch(self, events: Sequence[Mapping[str, Any]]) -> Answer:
        """Many events, all or none."""
        return await self.raw(json.dumps(events).encode(), BATCHED)


@dataclass(slots=True)
class Received:
    """A webhook that arrived, its signature checked."""

    reseller: str
    message_id: str
    type: str
    event: dict[str, Any]


@dataclass
class Receivers:
    """One HTTP server that plays every reseller's webhook receiver."""

    secrets: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    refused: int = 0
    url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_post("/{reseller}", self._take)
        self._runner, self.url = await _serve(app)

    async def _take(self, request: web.Request) -> web.Response:
        reseller, body = request.match_info["reseller"], await request.read()
        try:
            Webhook(self.secrets[reseller]).verify(body, dict(request.headers))
        except (WebhookVerificationError, KeyError):
            self.refused += 1
            return web.Response(status=401)
        event = json.loads(body)
        self.received.append(
            Received(reseller, request.headers["webhook-id"], event["type"], event)
        )
        return web.Response(status=204)

    def of(self, kind: str) -> list[Received]:
        """What arrived of an event type."""
        return [item for item in self.received if item.type == kind]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()


@dataclass
class Backend:
    """An application that keeps services by id: what the plain HTTP hook talks to. It can refuse a tenant, or fail."""

    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused_tenants: set[str] = field(default_factory=set)
    broken_for: dict[str, int] = field(default_factory=dict)
    """With which status a tenant is answered for the time being."""
    lossy_for: set[str] = field(default_factory=set)
    """Tenants for whom it does what it is asked, and answers 503 nevertheless."""
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    url: str = ""
    secret: str = ""
    """What Vicino signs its calls with; with it, whoever else calls is turned away."""
    turned_away: int = 0
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application(middlewares=[self._check])
        app.router.add_route("PUT", "/services/{id}", self._put)
        app.router.add_route("PATCH", "/services/{id}", self._put)
        app.router.add_route("DELETE", "/services/{id}", self._delete)
        self._runner, self.url = await _serve(app)

    @web.middleware
    async def _check(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self.secret:
            try:
                body = Webhook(self.secret).verify(await request.read(), dict(request.headers))
            except WebhookVerificationError:
                self.turned_away += 1
                return web.Response(status=401)
            if (body["method"], body["service_id"]) != (
                request.method,
                request.match_info.get("id"),
            ):
                return web.Response(status=400)
        return await handler(request)

    async def _put(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.calls[body["tenant_id"]] += 1
        if body["tenant_id"] in self.refused_tenants:
            return web.Response(status=422)
        if body["tenant_id"] in self.broken_for:
            return web.Response(status=self.broken_for[body["tenant_id"]])
        self.services[request.match_info["id"]] = body
        return web.Response(status=503 if body["tenant_id"] in self.lossy_for else 204)

    async def _delete(self, request: web.Request) -> web.Response:
        return web.Response(
            status=204 if self.services.pop(request.match_info["id"], None) else 404
        )

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()


async def _serve(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner, f"http://127.0.0.1:{port}"


OPERATOR_EMAIL = "desk@vicino.example.it"


class Mailbox:
    """Everybody's mailbox, behind a real SMTP server."""

    def __init__(self) -> None:
        self._mails: list[tuple[str, str]] = []
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a mail."""
        text = message_from_bytes(envelope.content, policy=policy.default)
        said = text.get_content() if text.get_content_maintype() == "text" else ""
        self._mails += [(address, f"{text['Subject']}\n{said}") for address in envelope.rcpt_tos]
        return "250 kept"

    def to(self, address: str) -> list[str]:
        """What was mailed to an address: subjects and texts."""
        return [text for to, text in self._mails if to == address]

    async def start(self) -> None:
        """Listen; aiosmtpd brings its own thread."""
        await asyncio.to_thread(self._controller.start)

    async def stop(self) -> None:
        """Stop listening."""
        await asyncio.to_thread(self._controller.stop)
