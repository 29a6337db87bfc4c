"""How a service serves HTTP: its API on the port for everybody, what operators ask on a second one for the inside."""

import os
import resource
import socket
import threading
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from types import FrameType
from typing import Any

import uvicorn

from services.chassis import logs
from services.chassis.health import AsgiApp
from services.chassis.http_connection import Connection, HttpConfig
from services.chassis.settings import ServiceSettings
from services.chassis.web import Problem

STOP_SECONDS_MAX = 14.0
"""A stop that hangs, as on a server that went silent, ends as a crash would: nothing depends on a clean one."""

HTTP_GRACE_SECONDS = 3
FILES_WANTED = 8192
FILES_OF_OURS = 256
"""Open files that are no HTTP connections: the pool, Kafka, webhooks on their way."""

START_FAILED = 3
"""The exit status of a service that could not start."""

log = logs.logger(__name__)


class CannotListen(OSError):
    """An address is in use, is not this machine's, or may not be had."""


def listen(settings: ServiceSettings, has_api: bool) -> list[socket.socket]:
    """The sockets of a service: the inside's, and that of its API if it has one. Raises `CannotListen`.

    Nothing is accepted before the server starts.
    """
    places = [("VICINO_INSIDE_PORT", settings.inside_host, settings.inside_port)]
    if has_api:
        places.append(("VICINO_HTTP_PORT", settings.http_host, settings.http_port))
    found: list[socket.socket] = []
    try:
        for name, host, port in places:
            found.append(_bound(name, host, port))
    except BaseException:
        for one in found:
            one.close()
        raise
    return found


def _bound(name: str, host: str, port: int) -> socket.socket:
    try:
        is_six = isinstance(ip_address(host), IPv6Address)
    except ValueError:  # a name
        is_six = False
    # Named, because asyncio looks for it: else it leaves Nagle's algorithm on, and a body waits 40 ms for its headers' ACK.
    family = socket.AF_INET6 if is_six else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise CannotListen(f"{name}: cannot listen at {host}:{port}: {error.strerror}") from None
    return made


class Ports:
    """An ASGI app that sends each request where its port leads; everything else (the lifespan) goes inside."""

    def __init__(
        self, inside: AsgiApp, inside_port: int, api: Callable[[], AsgiApp | None]
    ) -> None:
        self._inside, self._inside_port, self._api = inside, inside_port, api

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve. The port is the socket's own, which no header can claim to be another."""
        if scope["type"] == "lifespan" or scope["server"][1] == self._inside_port:
            await self._inside(scope, receive, send)
        elif (api := self._api()) is not None:
            await api(scope, receive, send)
        else:
            await Problem(404, "Not Found", "nothing is served here").response()(
                scope, receive, send
            )


class Server(uvicorn.Server):
    """A server that can be stopped also while its service still waits for a database or a broker."""

    def __init__(self, config: uvicorn.Config, give_up_starting: Callable[[], None]) -> None:
        super().__init__(config)
        self._give_up_starting = give_up_starting

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come."""
        if not self.should_exit:
            deadline = threading.Timer(STOP_SECONDS_MAX, _end_now)
            deadline.daemon = True
            deadline.start()
        super().handle_exit(sig, frame)
        if not self.started:
            self._give_up_starting()


def _end_now() -> None:
    log.critical("the stop hangs; ending without it")
    os._exit(1)


def http_config(app: AsgiApp, settings: ServiceSettings) -> uvicorn.Config:
    """How every service serves HTTP: in production, and in tests."""
    config = HttpConfig(
        app, host=settings.http_host, port=settings.http_port, http=Connection, ws="none", loop="uvloop",
        lifespan="on", timeout_keep_alive=settings.http_keep_alive_seconds,
        timeout_graceful_shutdown=HTTP_GRACE_SECONDS, log_config=None, access_log=False,
        proxy_headers=bool(settings.trusted_proxies), forwarded_allow_ips=settings.trusted_proxies,
    )  # fmt: skip
    config.connections_max = min(settings.http_connections_max, _files_max() - FILES_OF_OURS)
    config.connections_per_address_max = min(
        settings.http_connections_per_address_max, config.connections_max
    )
    config.inside_port = settings.inside_port
    config.unbounded = frozenset(
        name.strip() for name in settings.trusted_proxies.split(",") if name.strip()
    )
    return config


def _files_max() -> int:
    """How many files this process may hold open; raised to what connections need, where the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = FILES_WANTED
    if FILES_WANTED > soft != resource.RLIM_INFINITY:
        soft = max(soft, min(hard, FILES_WANTED))
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
    return FILES_WANTED if soft == resource.RLIM_INFINITY else soft
