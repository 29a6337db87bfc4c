"""Topics that are deleted, as somebody does it by hand."""

import asyncio
from collections.abc import Collection

from confluent_kafka.admin import AdminClient

GONE_SECONDS = 20.0


async def delete_topics(bootstrap: str, names: Collection[str]) -> None:
    """Delete topics, and wait until the broker lists them no more: before that, whoever makes them anew finds the old ones.

    Raises `KafkaException` when the broker refuses, `TimeoutError` when it lists them on and on.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for future in admin.delete_topics(list(names)).values():
        await asyncio.to_thread(future.result, GONE_SECONDS)
    async with asyncio.timeout(GONE_SECONDS):
        while (
            await asyncio.to_thread(admin.list_topics, timeout=GONE_SECONDS)
        ).topics.keys() & set(names):
            await asyncio.sleep(0.05)
