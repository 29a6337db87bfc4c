"""A service that always has work in flight that does not end by itself: a slice, a job and an HTTP request."""

import asyncio
from pathlib import Path

from fastapi import FastAPI

from schemas.envelope import Event
from schemas.signals import HeartbeatReceived
from services.chassis.engine.records import on, routes
from services.chassis.jobs import Job, JobKind, handle
from services.chassis.service import Runtime, Service, run
from services.chassis.settings import ServiceSettings
from services.chassis.unit import Args, Unit

NAME = "monitoring"
MIGRATIONS = Path(__file__).parents[1] / "integration/chassis/migrations"
LONG_SECONDS = 25

wait = JobKind("wait", Args, lease_seconds=100)


async def slow(event: Event[HeartbeatReceived], unit: Unit) -> None:
    """Take long over a slice."""
    await unit.db.execute("select pg_sleep($1)", LONG_SECONDS)


async def run_wait(job: Job[Args]) -> None:
    """Take long over a job."""
    await asyncio.sleep(LONG_SECONDS)


def api(runtime: Runtime) -> FastAPI:
    """Take long over a request, after asking for a job and saying a fact."""
    app = FastAPI()

    @app.get("/slow")
    async def answer() -> None:
        async with runtime.unit("once") as unit:
            unit.enqueue(wait, Args())
            unit.publish(
                HeartbeatReceived(service_id="00000000-0000-0000-0000-000000000001"), subject="one"
            )
        await asyncio.sleep(LONG_SECONDS)

    return app


if __name__ == "__main__":
    table = routes(on(HeartbeatReceived, slow))
    run(
        Service(NAME, ServiceSettings(), MIGRATIONS, table, jobs=(handle(wait, run_wait),), api=api)
    )
