"""The settings of one embedded Kafka node: alone or among others, open to this machine or closed."""

from collections.abc import Mapping
from pathlib import Path

ADMIN = "admin"
"""The user who may do everything, and the nodes' own name among themselves."""

MECHANISM = "SCRAM-SHA-512"
"""How everybody logs in."""

FIRST_MECHANISM = "PLAIN"
"""How the administrator logs in until Kafka holds its SCRAM credential. Kafka reads this password from its own settings,
so that also data of an open Kafka can be closed: they hold no credential that could let anybody in."""

_MODULES = "org.apache.kafka.common.security"


def values_of(
    node: int, ports: Mapping[int, tuple[int, int]], data: Path, password: str
) -> dict[str, str]:
    """What a node is started with. `ports` are each node's own and its controller's; without `password` it is open."""
    broker, controller = ports[node]
    replicas = str(min(3, len(ports)))
    in_sync = str(max(1, int(replicas) - 1))
    door = "SASL_PLAINTEXT" if password else "PLAINTEXT"
    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{c}" for n, (_, c) in ports.items()),
        "listeners": f"{door}://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"{door}://127.0.0.1:{broker}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
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
    } | (_closed(password) if password else {})


def _closed(password: str) -> dict[str, str]:
    """A node that lets nobody in without a login, and nobody do what no ACL allows.

    Controllers take administration too: an open port of theirs would be a way around every login.
    """
    plain = f'{_MODULES}.plain.PlainLoginModule required username="{ADMIN}" password="{password}" user_{ADMIN}="{password}";'
    return {
        "listener.security.protocol.map": "CONTROLLER:SASL_PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
        "inter.broker.listener.name": "SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": f"{MECHANISM},{FIRST_MECHANISM}",
        "sasl.mechanism.inter.broker.protocol": FIRST_MECHANISM,
        "sasl.mechanism.controller.protocol": FIRST_MECHANISM,
        "listener.name.controller.sasl.enabled.mechanisms": FIRST_MECHANISM,
        "listener.name.controller.plain.sasl.jaas.config": plain,
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": plain,
        "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN}",
        "allow.everyone.if.no.acl.found": "false",
    }
