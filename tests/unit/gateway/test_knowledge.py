"""What all requests need at the same moment is asked once; nobody who waits for it suffers for another."""

import asyncio

import pytest

from services.gateway.principals.knowledge import _Fresh


class Database:
    """Answers when it is let."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked, self.may_answer, self._error = 0, asyncio.Event(), error

    async def ask(self) -> int:
        self.asked += 1
        answer = self.asked
        await self.may_answer.wait()
        if self._error:
            raise self._error
        return answer


async def begun(*coroutines: "asyncio.Future[int]") -> None:
    """Let what was started come as far as it can."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_many_that_ask_for_the_same_ask_once() -> None:
    fresh, database = _Fresh[int](), Database()
    asking = [asyncio.ensure_future(fresh.once("key", database.ask)) for _ in range(100)]
    await begun(*asking)
    database.may_answer.set()
    assert set(await asyncio.gather(*asking)) == {1}
    assert await fresh.once("key", database.ask) == 2
    assert database.asked == 2


async def test_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    fresh, database = _Fresh[int](), Database()
    first, second = (asyncio.ensure_future(fresh.once("key", database.ask)) for _ in range(2))
    await begun(first, second)
    first.cancel()
    await begun(second)
    database.may_answer.set()
    assert await second == 1
    assert first.cancelled()


async def test_an_error_reaches_all_who_wait_and_the_next_asks_again() -> None:
    fresh, database = _Fresh[int](), Database(OSError("away"))
    asking = [asyncio.ensure_future(fresh.once("key", database.ask)) for _ in range(3)]
    await begun(*asking)
    database.may_answer.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in found] == [OSError] * 3
    with pytest.raises(OSError, match="away"):
        await fresh.once("key", database.ask)
    assert database.asked == 2


async def test_what_was_asked_before_all_was_forgotten_is_no_answer_to_who_comes_after() -> None:
    fresh, database = _Fresh[int](), Database()
    before = asyncio.ensure_future(fresh.once("key", database.ask))
    await begun(before)
    fresh.clear()
    after = asyncio.ensure_future(fresh.once("key", database.ask))
    await begun(after)
    database.may_answer.set()
    assert (await before, await after) == (1, 2)
