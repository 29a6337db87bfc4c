"""A lane works off in order, holds back who brings too much, and ends when it is told to."""

import asyncio

from services.chassis.engine.lanes import Lane


class Bench:
    """Work that waits to be let go."""

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


async def at_work() -> tuple[Bench, Lane[int]]:
    """A lane with one item in work."""
    bench = Bench()
    lane = Lane("test", bench.work)
    await lane.put(0)
    while not bench.begun:
        await asyncio.sleep(0)
    return bench, lane


async def test_items_are_worked_off_one_by_one_in_their_order() -> None:
    bench = Bench()
    lane = Lane("test", bench.work)
    for _ in range(5):
        bench.go.release()
    for n in range(5):
        await lane.put(n)
    while len(bench.done) < 5:
        await asyncio.sleep(0)
    assert bench.begun == bench.done == [0, 1, 2, 3, 4]
    lane.close()


async def test_who_brings_a_third_item_has_to_wait() -> None:
    bench, lane = await at_work()
    await lane.put(1)
    third = asyncio.create_task(lane.put(2))
    await asyncio.sleep(0.01)
    assert not third.done()
    bench.go.release()
    await third
    assert bench.done == [0]
    lane.close()


async def test_what_waits_is_forgotten_when_what_is_in_work_says_so() -> None:
    bench, lane = await at_work()
    await lane.put(1)
    bench.useful = False
    bench.go.release()
    while not bench.done:
        await asyncio.sleep(0)
    bench.go.release()
    await lane.put(2)
    while len(bench.done) < 2:
        await asyncio.sleep(0)
    assert bench.done == [0, 2]
    lane.close()


async def test_finishing_lets_what_is_in_work_end_and_begins_nothing_else() -> None:
    bench, lane = await at_work()
    await lane.put(1)
    finishing = asyncio.create_task(lane.finish())
    await asyncio.sleep(0.01)
    assert not finishing.done()
    bench.go.release()
    await finishing
    assert bench.begun == bench.done == [0]


async def test_who_waits_at_a_lane_that_is_closed_is_let_go_and_so_is_who_comes_later() -> None:
    bench, lane = await at_work()
    await lane.put(1)
    third = asyncio.create_task(lane.put(2))
    await asyncio.sleep(0)
    lane.close()
    async with asyncio.timeout(1):
        await third
        await lane.put(3)
    assert bench.begun == [0]
