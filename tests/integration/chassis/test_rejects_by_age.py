"""What was refused is kept for a bounded time, and when it is kept for longer, that is seen."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from services.chassis import rejects
from services.chassis.database import Connection, connect
from services.chassis.migrate import migrate
from services.chassis.settings import ServiceSettings
from tests.integration.chassis.test_life import MIGRATIONS
from tests.support.running import settings_for

DAYS = 35


def overdue() -> float:
    found = REGISTRY.get_sample_value("vicino_refused_overdue_seconds", {"what": "rejects"})
    assert found is not None
    return found


@pytest.fixture
async def kept(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Connection]:
    url = (
        await settings_for(ServiceSettings, "monitoring", database, bootstrap, topic_prefix)
    ).postgres_url
    await migrate(url, "monitoring", MIGRATIONS)
    connection = await connect(url, "monitoring", "test")
    yield connection
    await connection.close()


async def test_rejects_go_when_their_time_is_over_sent_again_or_not(
    kept: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "PRUNED_AT_ONCE", 2)
    await rejects.measure(kept, DAYS)
    assert overdue() == 0
    for n, days in enumerate((0, 34, 36, 36, 36, 37, 400)):
        await kept.execute(
            'insert into reject (topic, part, log_id, "offset", reason, detail, first_seen, replayed_at)'
            " values ('t', 0, 'l', $1::bigint, 'x', 'x', now() - make_interval(days => $2),"
            " case when $1::bigint % 2 = 0 then now() end)",
            n, days,
        )  # fmt: skip
    await rejects.measure(kept, DAYS)
    assert overdue() == pytest.approx((400 - DAYS) * 86_400, abs=3600)
    assert await rejects.prune(kept, DAYS) == 5
    assert [row[0] for row in await kept.fetch('select "offset" from reject order by 1')] == [0, 1]
    await rejects.measure(kept, DAYS)
    assert overdue() == 0
