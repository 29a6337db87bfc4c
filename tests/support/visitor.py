"""Somebody who comes to Kafka with a login, tries things, and says which of them Kafka let him do."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from services.chassis.kafka_login import KafkaServers
from services.chassis.producer import Producer

WAIT_SECONDS = 30.0
REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}  # fmt: skip
UNSEEN = KafkaError._NOENT
"""What librdkafka makes of a topic that is not shown to this login."""

NOT_YET = {
    KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}  # fmt: skip
"""Until the broker has made its topic of groups, at the first that is asked for."""

TOPIC_AUTHORIZATION_FAILED = 29


class Visitor:
    """One login, and its clients: made once, as each costs a connection."""

    def __init__(self, login: KafkaServers) -> None:
        self.login = login
        self._producer = Producer(login, "", "visitor")
        self.admin = AdminClient({**login.librdkafka(), "log_level": 0})
        self._client: AIOKafkaClient | None = None

    async def stop(self) -> None:
        await self._producer.stop()
        if self._client is not None:
            await self._client.close()

    async def writes(self, topic: str) -> bool:
        """Whether a record is taken."""
        try:
            await self._producer.send(topic, b"key", b"value", timeout_seconds=WAIT_SECONDS)
        except TopicAuthorizationFailedError:
            return False
        return True

    async def reads(self, topic: str) -> bool:
        """Whether a fetch is answered. Asked directly: client libraries do not tell of every refusal."""
        if self._client is None:
            self._client = AIOKafkaClient(**self.login.aiokafka())
            await self._client.bootstrap()
        (broker,) = self._client.cluster.brokers()
        fetch = FetchRequest(10, 0, 2**20, 0, [(topic, [(0, 0, 2**20)])])
        async with asyncio.timeout(WAIT_SECONDS):
            answer = await self._client.send(broker.nodeId, fetch)
        ((_, ((_, code, *_),)),) = answer.topics
        assert code in (0, TOPIC_AUTHORIZATION_FAILED), code
        return bool(code == 0)

    async def joins(self, group: str, topic: str) -> bool:
        """Whether it becomes a member of a group, to read a topic that it may read."""
        consumer = AIOKafkaConsumer(topic, **self.login.aiokafka(), group_id=group)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await consumer.start()
        except GroupAuthorizationFailedError:
            return False
        finally:
            await consumer.stop()
        return True

    async def operations(self, topic: str) -> set[str]:
        """Everything that Kafka says this login may do with a topic."""
        names = TopicCollection([topic])
        return await _operations(
            lambda: self.admin.describe_topics(names, include_authorized_operations=True)[topic]
        )

    async def group_operations(self, group: str) -> set[str]:
        """Everything that Kafka says this login may do with a group."""
        return await _operations(
            lambda: self.admin.describe_consumer_groups(
                [group], include_authorized_operations=True
            )[group]
        )

    async def is_refused(
        self, attempt: Callable[[AdminClient], "Mapping[Any, Future[Any]] | Future[Any]"]
    ) -> bool:
        """Whether an act of administration is refused for want of a right."""
        futures = attempt(self.admin)
        for future in futures.values() if isinstance(futures, Mapping) else [futures]:
            error = await asyncio.to_thread(future.exception, WAIT_SECONDS)
            if error is None and future.result() == []:
                continue  # a look that is refused shows nothing: librdkafka does not say why
            if error is None or _code(error) not in REFUSED | {UNSEEN}:
                return False
        return True


def _code(error: BaseException) -> int:
    if not isinstance(error, KafkaException):
        raise error
    return int(error.args[0].code())


async def _operations(ask: "Callable[[], Future[Any]]") -> set[str]:
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            asked = ask()
            error = await asyncio.to_thread(asked.exception, WAIT_SECONDS)
            if error is None:
                return {
                    operation.name.lower() for operation in asked.result().authorized_operations
                }
            if _code(error) in REFUSED:
                return set()
            if _code(error) not in NOT_YET:
                raise error
            await asyncio.sleep(0.05)
