"""The HTTP driver signs its calls as webhooks are signed, and calls nothing that is not listed."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import uuid4

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from schemas.catalogue import ProvisioningStep
from services.chassis.jobs import GiveUp
from services.chassis.names import Names, NameUnresolved
from services.chassis.sealing import KeyRing
from services.local.ports import free_port
from services.onboarding.adapters import Instance
from services.onboarding.adapters.http import (
    BackendNotAllowed,
    BackendRefused,
    HttpDriver,
    signing_secrets,
)
from services.onboarding.domain.allowing import allowed

KEY, OLD = bytes(range(32)), bytes(range(1, 33))
CALLS = {"PUT": "provision", "PATCH": "change", "DELETE": "deprovision"}


@dataclass
class Listening:
    """A back-end that keeps what it is sent."""

    port: int
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204
    location: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, request.path, headers, await request.read()))
        return web.Response(
            status=self.status, headers={"Location": self.location} if self.location else {}
        )


@pytest.fixture
async def backend() -> AsyncIterator[Listening]:
    found = Listening(free_port())
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", found.port).start()
    yield found
    await runner.cleanup()


def instance() -> Instance:
    return Instance(str(uuid4()), str(uuid4()), "SKU-\u00e8", {"seats": Decimal("2.5")})


def step(url: str) -> ProvisioningStep:
    return ProvisioningStep.model_construct(driver="http", url=url)


@pytest.mark.parametrize("method", CALLS)
async def test_a_call_is_signed_so_that_any_standard_webhooks_library_verifies_it(
    backend: Listening, method: str
) -> None:
    driver, one = HttpDriver(KEY, allowed("127.0.0.1"), Names()), instance()
    await getattr(driver, CALLS[method])(
        one, step(f"http://127.0.0.1:{backend.port}/base/"), "key-1"
    )
    [(how, path, headers, body)] = backend.requests
    assert (how, path) == (method, f"/base/services/{one.service_id}")
    said = Webhook(signing_secrets(KEY)[0]).verify(body, headers)
    assert said == {
        "method": method, "service_id": one.service_id, "tenant_id": one.tenant_id, "sku": one.sku,
        "quantities": {"seats": "2.5"},
    }  # fmt: skip
    assert (headers["webhook-id"], headers["idempotency-key"]) == ("key-1", "key-1")


async def test_while_the_master_key_is_replaced_both_secrets_verify(backend: Listening) -> None:
    driver = HttpDriver(KeyRing(KEY, (OLD,)), allowed("127.0.0.1"), Names())
    await driver.provision(instance(), step(f"http://127.0.0.1:{backend.port}"), "key-1")
    [(_, _, headers, body)] = backend.requests
    for secret in (*signing_secrets(KEY), *signing_secrets(OLD)):
        assert json.loads(body) == Webhook(secret).verify(body, headers)


ELSEWHERE = [
    "127.0.0.1",
    "localhost",
    "LOCALHOST.",
    "2130706433",
    "0x7f.1",
    "127.1",
    "[::ffff:127.0.0.1]",
    "0.0.0.0",
]


@pytest.mark.parametrize(
    "listed", ["", "10.0.0.0/8", "127.0.0.1:1", "backend.example.it", "*.localhost", "127.0.0.2"]
)
@pytest.mark.parametrize("host", ELSEWHERE)
async def test_an_address_that_is_not_listed_is_not_called(
    backend: Listening, host: str, listed: str
) -> None:
    driver, where = HttpDriver(KEY, allowed(listed), Names()), step(f"http://{host}:{backend.port}")
    for call in CALLS.values():
        with pytest.raises((BackendNotAllowed, OSError)) as refused:
            await getattr(driver, call)(instance(), where, "key-1")
        assert isinstance(refused.value, BackendNotAllowed | NameUnresolved) or host == "LOCALHOST."
    assert backend.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_an_address_that_is_listed_is_called_however_it_is_written(
    backend: Listening, host: str
) -> None:
    driver = HttpDriver(KEY, allowed(f"127.0.0.0/8:{backend.port}, ::1"), Names())
    await driver.provision(instance(), step(f"http://{host}:{backend.port}"), "key-1")
    assert len(backend.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(backend: Listening, status: int) -> None:
    backend.status, backend.location = status, f"http://127.0.0.1:{backend.port}/elsewhere"
    driver = HttpDriver(KEY, allowed("127.0.0.1"), Names())
    with pytest.raises(BackendRefused, match=str(status)):
        await driver.provision(instance(), step(f"http://127.0.0.1:{backend.port}"), "key-1")
    assert len(backend.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "//127.0.0.1",
        "nonsense",
        "http://",
        "http://[::1",
    ],
)
async def test_what_is_no_http_address_is_given_up(url: str) -> None:
    with pytest.raises(GiveUp):
        await HttpDriver(KEY, allowed("0.0.0.0/0"), Names()).provision(
            instance(), step(url), "key-1"
        )
