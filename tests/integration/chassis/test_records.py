"""Record handlers on the real things: what one record brings about cannot hold up its neighbours."""

from dataclasses import dataclass, replace

from schemas.envelope import Event
from schemas.signals import HeartbeatReceived
from schemas.topics import SIGNALS
from services.chassis.engine.records import on, routes
from services.chassis.service import Service
from services.chassis.settings import ServiceSettings
from services.chassis.unit import Args, Unit
from tests.integration.chassis.test_engine_smoke import MIGRATIONS, heartbeat
from tests.support.running import running, settings_for


@dataclass(frozen=True)
class Kind:
    """A kind of job that nobody runs."""

    name: str = "never"
    is_routed: bool = True


async def act(event: Event[HeartbeatReceived], unit: Unit) -> None:
    """Count a beat, say it and ask for a job; one of them with a text that no index takes."""
    text = (
        "(select string_agg(md5(random()::text), '') from generate_series(1, 500))"
        if event.id == "beat-2"
        else "$1"
    )
    await unit.db.execute(f"insert into effect (id) values ({text} || $1)", event.id)
    unit.enqueue(Kind(), Args())


async def test_what_cannot_be_written_for_one_record_rejects_it_and_no_other(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    settings = await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    service = Service("monitoring", settings, MIGRATIONS, routes=routes(on(HeartbeatReceived, act)))
    async with running(service) as at_work:
        events = [replace(heartbeat(n), subject="one") for n in range(6)]
        events[4] = replace(events[4], correlation_id="a\x00b")
        await at_work.publish(*events)

        async def all_taken() -> bool:
            done = await at_work.sql(
                "select sum(next_offset) as n from consumer_offset where topic = $1", SIGNALS.name
            )
            return bool(done[0]["n"] == len(events))

        await at_work.eventually(all_taken)
        rejects = await at_work.sql("select reason, detail from reject order by id")
        assert [tuple(row) for row in rejects] == [
            ("handler_failed", "ProgramLimitExceededError (54000)"),
            ("handler_failed", "CharacterNotInRepertoireError (22021)"),
        ]
        assert (
            len(await at_work.sql("select 1 from effect"))
            == len(await at_work.sql("select 1 from job"))
            == 4
        )
