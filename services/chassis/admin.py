"""Kafka's administration: topics are made from `schemas/topics.py`, and from nowhere else."""

import asyncio
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # its stub forgets to export it

from schemas.topics import Topic
from services.chassis.kafka_login import KafkaServers, servers_of

DEAD_LETTER_RETENTION_DAYS = 90
MESSAGE_BYTES_MAX = 1_048_588
REQUEST_TIMEOUT_SECONDS = 20.0
_DAY_MS = 86_400_000


def _new(name: str, partitions: int, days: int, replicas: int) -> NewTopic:
    config = {
        "retention.ms": str(days * _DAY_MS),
        "cleanup.policy": "delete",
        "max.message.bytes": str(MESSAGE_BYTES_MAX),
        "min.insync.replicas": str(max(1, replicas - 1)),
    }
    return NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=config)


def _wanted(topics: Iterable[Topic], prefix: str, replicas: int) -> list[NewTopic]:
    wanted = []
    for topic in topics:
        wanted.append(_new(prefix + topic.name, topic.partitions, topic.retention_days, replicas))
        wanted.append(_new(prefix + topic.dead_letters, 1, DEAD_LETTER_RETENTION_DAYS, replicas))
    return wanted


def _apply(kafka: KafkaServers | str, wanted: list[NewTopic]) -> list[str]:
    admin = AdminClient({**servers_of(kafka).librdkafka(), "log_level": 0})
    made = []
    for name, future in admin.create_topics(
        wanted, request_timeout=REQUEST_TIMEOUT_SECONDS
    ).items():
        try:
            future.result(timeout=REQUEST_TIMEOUT_SECONDS)
            made.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    return made


def _remove(kafka: KafkaServers | str, names: list[str]) -> None:
    admin = AdminClient({**servers_of(kafka).librdkafka(), "log_level": 0})
    for future in admin.delete_topics(names, request_timeout=REQUEST_TIMEOUT_SECONDS).values():
        try:
            future.result(timeout=REQUEST_TIMEOUT_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise


async def remove_topics(kafka: KafkaServers | str, topics: Iterable[Topic], *, prefix: str) -> None:
    """Remove the topics (and their dead-letter topics) of a prefix: what we leave on a broker that is not ours.

    Raises `KafkaException` when the broker refuses.
    """
    if not prefix:
        raise ValueError("topics without a prefix are nobody's to remove")
    names = [prefix + name for topic in topics for name in (topic.name, topic.dead_letters)]
    await asyncio.to_thread(_remove, kafka, names)


async def ensure_topics(
    kafka: KafkaServers | str, topics: Iterable[Topic], *, prefix: str = "", replicas: int = 1
) -> list[str]:
    """Make the topics (and their dead-letter topics) that are not there yet; returns the names of those made.

    Raises `KafkaException` when the broker refuses.
    """
    return await asyncio.to_thread(_apply, kafka, _wanted(topics, prefix, replicas))
