"""The whole of Vicino on one machine: PostgreSQL, Kafka, every service; one home, no process left behind."""

import asyncio
import os
import sys
import time
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from schemas.topics import TOPICS
from services.chassis.admin import ensure_topics
from services.chassis.kafka_login import KafkaServers, servers_from
from services.local.access import OPERATOR, ensure_access, kafka_secret, user_of
from services.local.environment import WITH_API, environment_of, settings_class
from services.local.home import CHECKOUT, Home
from services.local.kafka import Kafka
from services.local.kafka_node import ADMIN
from services.local.keeping import ATTEMPTS_MAX, Report, keep_alive
from services.local.log_files import keep_small
from services.local.ports import keep_or_find, take
from services.local.postgres import Postgres
from services.local.process import Child, tail
from services.local.roles import (
    PROVISIONER,
    SERVICES,
    ensure_database,
    ensure_provisioner,
    ensure_service,
    role_of,
)
from services.local.stack_settings import DEFAULTS

DATABASE = "vicino"
READY_TIMEOUT_SECONDS = 60.0


class ServiceDidNotStart(RuntimeError):
    """A service is not ready."""


class Stack:
    """A stack in a home that was entered. An async context manager; `environment` is added to every service's own."""

    def __init__(
        self, home: Home, report: Report = lambda _: None, *, services: Sequence[str] = SERVICES,
        environment: Mapping[str, str] | None = None, topic_prefix: str = "", own_postgres: bool = False,
        ports: Mapping[str, int] | None = None, usual_ports: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        """`topic_prefix` keeps it apart from others on the same broker; with `own_postgres` it is no guest on a server.

        `ports` are those of APIs that must be had, `usual_ports` those that are taken the first time if they are free.
        """
        self._asked_ports, self._usual_ports = dict(ports or {}), dict(usual_ports or {})
        self.home = home
        self._tell, self._names, self._extra = report, services, dict(environment or {})
        self.topic_prefix, self._own_postgres = topic_prefix, own_postgres
        self.postgres: Postgres | None = None
        self.kafka: Kafka | None = None
        self.kafka_admin = KafkaServers("")
        """Who may do everything there; without a user, the brokers are open."""
        self.ports: dict[str, int] = {}
        """Of the services that have an API."""
        self._inside: dict[str, int] = {}
        self.services: dict[str, Child] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._superuser_url = ""
        self.started_in_seconds = 0.0

    async def __aenter__(self) -> "Stack":
        began = time.monotonic()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        self.started_in_seconds = time.monotonic() - began
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        kept = self.home.recall("ports")
        # What a service reads is known once its module is loaded: a second that passes while the servers start.
        loading = asyncio.to_thread(lambda: [settings_class(name) for name in self._names])
        await asyncio.gather(self._start_postgres(kept), self._start_kafka(kept), loading)
        for name in self._names:
            self._inside[name] = keep_or_find(kept.get(f"{name}-inside"))
            if name in WITH_API:
                self.ports[name] = self._port_of(name, kept)
        self._keep_ports()
        self._report("making roles, schemas and topics")
        topics = ensure_topics(self.kafka_admin, TOPICS, prefix=self.topic_prefix)
        await asyncio.gather(self._ensure_roles(), topics, self._ensure_access())
        self._report("starting the services")
        await asyncio.gather(*(self._start_service(name) for name in self._names))
        await asyncio.gather(*(self._wait_ready(name) for name in self._names))
        self._watchers = [asyncio.create_task(work) for work in self._keeping()]

    def _port_of(self, name: str, kept: Mapping[str, int]) -> int:
        if name in self._asked_ports:
            return take(self._asked_ports[name], f"VICINO_{name.upper()}_PORT")
        return keep_or_find(kept.get(name, self._usual_ports.get(name)))

    def _keeping(self) -> list[Coroutine[Any, Any, None]]:
        """What keeps each part alive, and its log small.

        A service may fail for ever, as others go on; without a server none can.
        """
        log = self.home.log
        found = [keep_small(self.home.path / "logs", self._report)]
        for name in self._names:
            start = partial(self._start_service, name)
            found.append(
                keep_alive(name, partial(self._ended, name), start, self._report, str(log(name)))
            )
        if (server := self.postgres) is not None:
            where = str(log("postgres"))
            found.append(
                keep_alive(
                    "PostgreSQL", server.wait, server.launch, self._report, where, ATTEMPTS_MAX
                )
            )
        if (kafka := self.kafka) is not None:
            for node in kafka.nodes:
                ended, start = partial(kafka.wait, node), partial(kafka.restart_node, node)
                found.append(
                    keep_alive(
                        "Kafka", ended, start, self._report, str(log(f"kafka-{node}")), ATTEMPTS_MAX
                    )
                )
        return found

    async def _ended(self, name: str) -> int:
        return await self.services[name].wait()

    async def lost(self) -> None:
        """Wait as long as the stack lives. Raises `PartLost` when one of its servers ends again and again."""
        done, _ = await asyncio.wait(self._watchers, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    def report_to(self, report: Report) -> None:
        """Say from now on elsewhere what happens to the parts."""
        self._tell = report

    def _report(self, what: str) -> None:
        self._tell(what)

    async def _start_postgres(self, kept: Mapping[str, int]) -> None:
        given = os.environ.get("VICINO_POSTGRES_URL")
        if given and not self._own_postgres:
            self._superuser_url = given
            return
        self._report("starting PostgreSQL")
        self.postgres = await Postgres.start(
            self.home.path / "postgres", log=self.home.log("postgres"), port=keep_or_find(kept.get("postgres")),
            password=self.home.password("postgres"), report=self._report,
        )  # fmt: skip
        self._superuser_url = self.postgres.superuser_url

    async def _start_kafka(self, kept: Mapping[str, int]) -> None:
        if given := os.environ.get("VICINO_KAFKA_BOOTSTRAP"):
            self.kafka_admin = servers_from(given, os.environ)
            return
        self.kafka = await Kafka.start(
            self.home.path / "kafka", logs=self.home.path / "logs", ports=kept, report=self._report,
            password=self.home.password(kafka_secret(ADMIN)),
        )  # fmt: skip
        self.kafka_admin = self.kafka.admin

    def _keep_ports(self) -> None:
        embedded = self.kafka.ports if self.kafka else {}
        postgres = {"postgres": self.postgres.port} if self.postgres else {}
        inside = {f"{name}-inside": port for name, port in self._inside.items()}
        self.home.remember("ports", {**embedded, **postgres, **self.ports, **inside})

    def _url(self, database: str, user: str | None = None) -> str:
        """A DSN on the stack's server: the superuser's, or a role's."""
        parts = urlsplit(self._superuser_url)
        host = parts.netloc.rsplit("@", 1)[-1]
        who = f"{user}:{self.home.password(user)}" if user else parts.netloc.rsplit("@", 1)[0]
        return f"postgresql://{who}@{host}/{database}"

    @property
    def postgres_address(self) -> str:
        """Where PostgreSQL is, without credentials."""
        return urlsplit(self._superuser_url).netloc.rsplit("@", 1)[-1]

    def url_of(self, service: str) -> str:
        """The DSN of a service's own role."""
        return self._url(DATABASE, role_of(service))

    @property
    def superuser_url(self) -> str:
        """The superuser's DSN, for looking at what nobody else may see."""
        return self._url("postgres")

    @property
    def provisioning_url(self) -> str:
        """The DSN of the role that makes tenants' databases."""
        return self._url("postgres", PROVISIONER)

    async def _ensure_roles(self) -> None:
        await ensure_database(self._url("postgres"), DATABASE)
        for name in self._names:
            await ensure_service(
                self._url(DATABASE), DATABASE, name, self.home.password(role_of(name))
            )
        await ensure_provisioner(self._url("postgres"), self.home.password(PROVISIONER))

    async def _ensure_access(self) -> None:
        """On closed brokers, a login for each service and for people."""
        if self.kafka_admin.user:
            passwords = {
                who: self.home.password(kafka_secret(who)) for who in (*self._names, OPERATOR)
            }
            await ensure_access(self.kafka_admin, TOPICS, passwords, prefix=self.topic_prefix)

    @property
    def bootstrap(self) -> str:
        """Kafka's addresses."""
        return self.kafka_admin.bootstrap

    def kafka_login(self, who: str) -> KafkaServers:
        """The brokers, as a service or the operator gets in."""
        if not self.kafka_admin.user:
            return self.kafka_admin
        return self.kafka_admin.of(
            user_of(who, self.topic_prefix), self.home.password(kafka_secret(who))
        )

    @property
    def operator_token(self) -> str:
        """The operator's token: the one that was set, or that of this home."""
        return self._extra.get("VICINO_OPERATOR_TOKEN") or self.home.password("operator-token")

    @property
    def master_key(self) -> str:
        """The master key of this home, in base64."""
        return self.home.secret("master-key")

    def address(self, service: str) -> str:
        """Where a service's API is."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def inside(self, service: str) -> str:
        """Where a service's `/readyz`, `/healthz` and `/metrics` are."""
        return f"http://127.0.0.1:{self._inside[service]}"

    def environment(self, name: str) -> dict[str, str]:
        """What a service's process finds in its environment."""
        given = {
            "VICINO_POSTGRES_URL": self.url_of(name),
            **self.kafka_login(name).environment(),
            "VICINO_TOPIC_PREFIX": self.topic_prefix,
            "VICINO_INSIDE_PORT": str(self._inside[name]),
            "VICINO_MASTER_KEY": self.master_key,
            "VICINO_OPERATOR_TOKEN": self.operator_token,
            "VICINO_INSTANCE": "0",
            "VICINO_PROVISIONING_URL": self.provisioning_url,
            **DEFAULTS,
        }
        if allowed := os.environ.get("VICINO_HTTP_DRIVER_ALLOW"):
            given["VICINO_HTTP_DRIVER_ALLOW"] = allowed
        if name in self.ports:
            given["VICINO_HTTP_PORT"] = str(self.ports[name])
        for other in WITH_API:
            if other in self.ports:
                given[f"VICINO_{other.upper()}_API"] = self.address(other)
        if "gateway" in self.ports and self._extra.get("VICINO_SMTP_URL"):
            given["VICINO_PUBLIC_URL"] = self.address("gateway")
        if old := self.home.recall("secrets").get("master-key-old"):
            given["VICINO_MASTER_KEY_OLD"] = old
        return environment_of(name, {**os.environ, "PYTHONUNBUFFERED": "1"}, given | self._extra)

    async def _start_service(self, name: str) -> None:
        command = [sys.executable, "-m", "services.cli", "serve", name]
        self.services[name] = await Child.start(
            name, command, log=self.home.log(name), env=self.environment(name), cwd=CHECKOUT
        )

    async def _wait_ready(self, name: str) -> None:
        """Wait for `/readyz`. Raises `ServiceDidNotStart` with the end of its log."""
        url, last = f"{self.inside(name)}/readyz", "no answer"
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS), aiohttp.ClientSession() as session:
                while self.services[name].running:
                    try:
                        async with session.get(url) as answer:
                            if answer.status == 200:
                                return
                            last = await answer.text()
                    except aiohttp.ClientError:
                        pass  # it is not listening yet
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass
        log = self.home.log(name)
        raise ServiceDidNotStart(f"{name} is not ready ({last}); the end of {log}:\n{tail(log)}")

    async def stop(self) -> None:
        """Stop everything, the services first."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await asyncio.gather(*(child.stop() for child in self.services.values()))
        stops = [part.stop() for part in (self.postgres, self.kafka) if part is not None]
        await asyncio.gather(*stops)
