"""What answers somebody without a key: a list, on the port for everybody; the inside has a port of its own."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from fastapi import FastAPI

from services.gateway.events_door import EventsDoor
from services.local.environment import WITH_API
from services.local.roles import SERVICES
from tests.support.raw_http import ask, head, routes
from tests.support.running import Running, running, settings_for

MADE_UP = "MADE-UP"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", MADE_UP)
INSIDE = ("/metrics", "/healthz", "/readyz")
ELSEWHERE = (
    "/", "/docs", "/redoc", "/favicon.ico", "/robots.txt", "/.well-known/x", "/static/x", "//login", "/login/",
    "/openapi.json/", "/%2e%2e/metrics", "/x", "/METRICS", "/metrics/", "http://127.0.0.1/metrics",
)  # fmt: skip

SURFACE = {
    "gateway": {"GET /openapi.json", "HEAD /openapi.json"},
    "billing": {"GET /openapi.json", "HEAD /openapi.json"},
    "console": {"GET /openapi.json", "HEAD /openapi.json", "GET /login", "POST /login"},
}
"""Everything that answers without a key. Whoever adds to it adds to what a stranger can try."""


@asynccontextmanager
async def served(
    name: str, database: str, bootstrap: str, topic_prefix: str, **more: object
) -> AsyncIterator[Running]:
    module = importlib.import_module(f"services.{name}.app")
    kind = getattr(module, f"{name.capitalize()}Settings")
    settings = await settings_for(kind, name, database, bootstrap, topic_prefix, **more)
    async with running(module.build(settings)) as service:
        yield service


@pytest.mark.parametrize("name", WITH_API)
async def test_a_stranger_gets_an_answer_at_the_listed_places_alone(
    name: str, database: str, bootstrap: str, topic_prefix: str
) -> None:
    async with served(name, database, bootstrap, topic_prefix) as service:
        api = service.service.api
        assert api is not None
        app = api(service.runtime)
        if isinstance(app, EventsDoor):  # it stands before the app that describes it
            app = app.app
        assert isinstance(app, FastAPI)
        paths = {path for _, path in routes(app)} | {"/openapi.json", *INSIDE, *ELSEWHERE}
        found = set()
        for path in sorted(paths):
            for method in METHODS:
                answer = await ask(service.url, head(method, path, "content-length: 0"))
                is_asked_who = answer.status == 401 or (
                    answer.status,
                    answer.headers.get("location"),
                ) == (
                    303,
                    "/login",
                )
                nowhere = (501,) if method == MADE_UP else (404, 405)
                if not is_asked_who and answer.status not in nowhere:
                    found.add(f"{method} {path}")
        assert found == SURFACE[name]


@pytest.mark.parametrize("name", SERVICES)
async def test_the_inside_answers_on_its_own_port_alone(
    name: str, database: str, bootstrap: str, topic_prefix: str
) -> None:
    more = {"provisioning_url": database} if name == "onboarding" else {}
    async with served(name, database, bootstrap, topic_prefix, **more) as service:
        for path in INSIDE:
            assert (await ask(service.inside, head("GET", path))).status == 200
            if name in WITH_API:
                assert (await ask(service.url, head("GET", path))).status in (303, 401), path
        for path in (
            "/",
            "/login",
            "/api/v1/tenants",
            "/v1/events",
            "/openapi.json",
            "/operator/v1/resellers",
        ):
            assert (await ask(service.inside, head("GET", path))).status == 404, path
        if name not in WITH_API:
            with pytest.raises(ConnectionRefusedError):
                await ask(service.url, head("GET", "/"))


async def test_who_fills_the_public_port_does_not_blind_those_who_watch(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    few = {"http_connections_max": 5}
    async with (
        served("console", database, bootstrap, topic_prefix, **few) as service,
        AsyncExitStack() as held,
    ):
        port = service.service.settings.http_port
        for _ in range(5):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            held.callback(writer.close)
        assert (await ask(service.url, head("GET", "/login"))).status == 503
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{service.inside}/metrics") as answer,
        ):
            assert answer.status == 200
            assert 'vicino_http_connections_refused_total{reason="all"}' in await answer.text()
