"""A queue processes in order, holds back a producer that brings too much, and ends when it is stopped."""

import asyncio

from services.chassis.engine.partition_queue import PartitionQueue


class Bench:
    """Work that waits until it is released."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.done: list[int] = []
        self.go = asyncio.Semaphore(0)
        self.useful = True

    async def work(self, item: int) -> bool:
        self.begun.append(item)
        await self.go.acquire()
        self.done.append(item)
        return self.useful


async def at_work() -> tuple[Bench, PartitionQueue[int]]:
    """A queue with one item in flight."""
    bench = Bench()
    queue = PartitionQueue("test", bench.work)
    await queue.put(0)
    while not bench.begun:
        await asyncio.sleep(0)
    return bench, queue


async def test_items_are_worked_off_one_by_one_in_their_order() -> None:
    bench = Bench()
    queue = PartitionQueue("test", bench.work)
    for _ in range(5):
        bench.go.release()
    for n in range(5):
        await queue.put(n)
    while len(bench.done) < 5:
        await asyncio.sleep(0)
    assert bench.begun == bench.done == [0, 1, 2, 3, 4]
    queue.close()


async def test_who_brings_a_third_item_has_to_wait() -> None:
    bench, queue = await at_work()
    await queue.put(1)
    third = asyncio.create_task(queue.put(2))
    await asyncio.sleep(0.01)
    assert not third.done()
    bench.go.release()
    await third
    assert bench.done == [0]
    queue.close()


async def test_what_waits_is_forgotten_when_what_is_in_work_says_so() -> None:
    bench, queue = await at_work()
    await queue.put(1)
    bench.useful = False
    bench.go.release()
    while not bench.done:
        await asyncio.sleep(0)
    bench.go.release()
    await queue.put(2)
    while len(bench.done) < 2:
        await asyncio.sleep(0)
    assert bench.done == [0, 2]
    queue.close()


async def test_finishing_lets_what_is_in_work_end_and_begins_nothing_else() -> None:
    bench, queue = await at_work()
    await queue.put(1)
    finishing = asyncio.create_task(queue.finish())
    await asyncio.sleep(0.01)
    assert not finishing.done()
    bench.go.release()
    await finishing
    assert bench.begun == bench.done == [0]


async def test_who_waits_at_a_lane_that_is_closed_is_let_go_and_so_is_who_comes_later() -> None:
    bench, queue = await at_work()
    await queue.put(1)
    third = asyncio.create_task(queue.put(2))
    await asyncio.sleep(0)
    queue.close()
    async with asyncio.timeout(1):
        await third
        await queue.put(3)
    assert bench.begun == [0]
