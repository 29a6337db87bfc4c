"""When Kafka or the database is unavailable, a door says 503 and when to come back; it never says 500 for that."""

from collections.abc import Callable

import asyncpg
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request, Response

from services.chassis.database import is_infrastructure
from services.chassis.web import Problem
from services.gateway import metrics

RETRY_AFTER_SECONDS = 2
MAY_BE_AWAY = (
    KafkaError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    RuntimeError,
)


def answer_when_unavailable(
    app: FastAPI, said: Callable[[Problem], Response] = Problem.response
) -> None:
    """Make an app answer 503 while what it needs is unavailable; `said` writes the answer down."""

    async def unavailable(_: Request, error: Exception) -> Response:
        """503, when trying again may help; any other error is ours."""
        if not isinstance(error, KafkaError) and not is_infrastructure(error):
            raise error
        metrics.UNAVAILABLE.inc()
        problem = Problem(
            503, "Service Unavailable", "perhaps nothing was accepted: send it again, with the same id",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )  # fmt: skip
        return said(problem)

    for kind in MAY_BE_AWAY:
        app.add_exception_handler(kind, unavailable)
