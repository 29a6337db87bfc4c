"""How billing's API reads: names as they may be, and queries on connections of their own."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field

from schemas.envelope import ATTRIBUTE_LENGTH_MAX
from schemas.scalars import ShortText, storable
from services.billing.usecases.query_usage import NotKnown, Unanswerable
from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.chassis.texts import bounded
from services.chassis.web import Problem

Name = Annotated[str, AfterValidator(storable), Field(max_length=ATTRIBUTE_LENGTH_MAX)]


def in_words(text: str) -> str:
    """The text, if something of it can be printed. Raises `ValueError`."""
    if not bounded(text):
        raise ValueError("say it in words")
    return text


Words = Annotated[ShortText, AfterValidator(in_words)]
"""Who said something, or why."""

Answer = TypeVar("Answer")


class Reads:
    """Runs queries on connections of their own, and turns what they refuse into problems."""

    def __init__(self, runtime: Runtime) -> None:
        self._pool = runtime.pool

    async def __call__(self, query: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """The answer of a query. Raises `Problem` 404, 422."""
        try:
            async with self._pool.acquire() as db:
                return await query(db)
        except NotKnown as error:
            raise Problem(404, "Not Found", str(error)) from None
        except Unanswerable as error:
            raise Problem(422, "Unprocessable Content", str(error)) from None
