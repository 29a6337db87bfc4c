"""Puts messages in a producer's line by the batch: one future for each batch, where aiokafka's `send` makes one for each message.

A future, a task switch and a look-up for each message cost more than the message itself. What is kept of `send`: messages
for one partition stay in order, what others put in line meanwhile shares the batch, a full batch is waited for.
"""

import asyncio
import copy
import time
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, ProducerClosed
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition

Header = tuple[str, bytes | None]
Headers = Sequence[Header]
Message = tuple[str, bytes | None, bytes | None, Headers]
"""Topic, key, value, headers."""


async def put_in_line(
    producer: AIOKafkaProducer, messages: Iterable[Message]
) -> "set[asyncio.Future[object]]":
    """Put messages in line; returns what is done when Kafka has them. Never cancel one: others wait for it too.

    Raises what `send` raises.
    """
    sending: set[asyncio.Future[object]] = set()
    partitions: dict[str, list[int]] = {}
    for topic, key, value, pairs in messages:
        headers = list(pairs)
        _check_size(producer, key, value, headers)
        if (all_partitions := partitions.get(topic)) is None:
            all_partitions = sorted(await producer.partitions_for(topic))
            partitions[topic] = all_partitions
        part = producer._partitioner(key, all_partitions, all_partitions)
        sending.add(await _put(producer, TopicPartition(topic, part), key, value, headers))
    return sending


def _check_size(
    producer: AIOKafkaProducer, key: bytes | None, value: bytes | None, headers: list[Header]
) -> None:
    size = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, value, headers)
    if size > producer._max_request_size:
        raise MessageSizeTooLargeError(
            f"a message of {size} bytes; {producer._max_request_size} is the most"
        )


async def _put(
    producer: AIOKafkaProducer, part: TopicPartition, key: bytes | None, value: bytes | None,
    headers: list[Header],
) -> "asyncio.Future[object]":  # fmt: skip
    line: Any = producer._message_accumulator
    until = time.monotonic() + producer._request_timeout_ms / 1000
    while True:
        if line._closed:
            raise ProducerClosed
        if line._exception is not None:
            raise copy.copy(line._exception)
        waiting = line._batches.get(part)
        batch = waiting[-1] if waiting else _new_batch(line, part)
        if batch._builder.append(timestamp=None, key=key, value=value, headers=headers) is not None:
            future: asyncio.Future[object] = batch.future
            return future
        # The batch is full: have it sent, and wait until it is under way.
        if not line._waiter_future.done():
            line._waiter_future.set_result(None)
        await batch.wait_drain(until - time.monotonic())
        if time.monotonic() >= until:
            raise KafkaTimeoutError


def _new_batch(line: Any, part: TopicPartition) -> Any:
    batch = line._append_batch(line.create_builder(), part)
    batch.future.add_done_callback(_seen)
    return batch


def _seen(sent: "asyncio.Future[object]") -> None:
    """Whoever waits for it has the error; perhaps nobody waits any more."""
    if not sent.cancelled():
        sent.exception()


async def all_sent(sending: "set[asyncio.Future[object]]") -> None:
    """Wait until Kafka has all of it. Raises the first error; cancelled, it leaves what is in line where it is."""
    if sending:
        await asyncio.wait(sending)
    for one in sending:
        if (error := one.exception()) is not None:
            raise copy.copy(error)
