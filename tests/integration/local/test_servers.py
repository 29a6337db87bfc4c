"""The embedded servers: real, durable, and never left behind."""

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
import psutil
import pytest
from confluent_kafka.admin import AdminClient

from schemas.topics import ALERTS
from services.chassis.admin import ensure_topics, remove_topics
from services.local.home import Home, HomeBusy
from services.local.jars import JarsMissing, kafka_libs
from services.local.postgres import Postgres
from services.local.process import Child
from services.local.roles import ensure_database, ensure_service, role_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o711)
    (tmp_path / "logs").mkdir()
    return tmp_path


async def test_committed_data_survive_a_kill_of_postgresql(folder: Path) -> None:
    server = await Postgres.start(folder / "postgres", log=folder / "logs/postgres.log")
    connection = await asyncpg.connect(server.superuser_url)
    await connection.execute("create table kept (n int); insert into kept values (42)")
    await server.kill()
    await server.launch()
    connection = await asyncpg.connect(server.superuser_url)
    assert await connection.fetchval("select n from kept") == 42
    await connection.close()
    await server.stop()


async def test_no_process_of_postgresql_is_left_after_a_stop(folder: Path) -> None:
    server = await Postgres.start(folder / "postgres", log=folder / "logs/postgres.log")
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    await server.stop()
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, 10)
    assert alive == []


async def test_many_at_once_make_the_same_roles_schemas_and_databases(superuser_url: str) -> None:
    tag = uuid4().hex[:8]
    for database in (f"one_{tag}", f"two_{tag}"):
        await asyncio.gather(*(ensure_database(superuser_url, database) for _ in range(3)))
    urls = {
        name: superuser_url.rsplit("/", 1)[0] + f"/{name}" for name in (f"one_{tag}", f"two_{tag}")
    }
    await asyncio.gather(
        *(
            ensure_service(url, name, f"s_{tag}", "secret")
            for name, url in urls.items()
            for _ in range(4)
        )
    )
    for name, url in urls.items():
        connection = await asyncpg.connect(url)
        assert await connection.fetchval("select to_regnamespace($1) is not null", f"s_{tag}")
        await connection.close()
        await _drop(superuser_url, f'drop database "{name}" with (force)')
    await _drop(superuser_url, f'drop role "{role_of(f"s_{tag}")}"')


async def _drop(superuser_url: str, statement: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    await connection.execute(statement)
    await connection.close()


async def test_a_second_stack_in_the_same_home_is_refused_with_what_to_do(folder: Path) -> None:
    async with Home(folder):
        with pytest.raises(HomeBusy, match="--home"):
            await Home(folder).__aenter__()


async def test_a_home_is_not_entered_before_what_a_killed_stack_left_behind_has_ended(
    folder: Path,
) -> None:
    remains = await Child.start("remains", ["sleep", "60"], log=folder / "logs/remains.log")
    entering = asyncio.create_task(Home(folder).__aenter__())
    done, _ = await asyncio.wait([entering], timeout=0.5)
    assert not done
    await remains.kill()
    async with asyncio.timeout(5), await entering:
        pass


async def test_a_data_folder_whose_making_was_killed_half_way_is_made_anew(folder: Path) -> None:
    (folder / "postgres.making").mkdir()
    (folder / "postgres.making/PG_VERSION").write_text("18\n")
    server = await Postgres.start(folder / "postgres", log=folder / "logs/postgres.log")
    await server.stop()
    assert not (folder / "postgres.making").exists()


async def test_secrets_are_made_once_and_only_their_owner_reads_them(folder: Path) -> None:
    async with Home(folder) as home:
        assert home.secret("key") == home.secret("key") != home.secret("other")
    assert (folder / "secrets.json").stat().st_mode & 0o077 == 0


async def test_a_guest_takes_away_its_own_topics_and_nobody_elses(
    bootstrap: str, topic_prefix: str
) -> None:
    mine, theirs = f"{topic_prefix}mine.", f"{topic_prefix}theirs."
    await ensure_topics(bootstrap, [ALERTS], prefix=mine)
    await ensure_topics(bootstrap, [ALERTS], prefix=theirs)
    await listed(bootstrap, topic_prefix, both(mine) | both(theirs))
    await remove_topics(bootstrap, [ALERTS], prefix=mine)
    await remove_topics(bootstrap, [ALERTS], prefix=mine)
    await listed(bootstrap, topic_prefix, both(theirs))
    with pytest.raises(ValueError, match="prefix"):
        await remove_topics(bootstrap, [ALERTS], prefix="")


def both(prefix: str) -> set[str]:
    return {prefix + ALERTS.name, prefix + ALERTS.dead_letters}


async def listed(bootstrap: str, prefix: str, expected: set[str]) -> None:
    """A broker answers a change once its controller has it, and lists it a moment later."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    seen: set[str] = set()
    try:
        async with asyncio.timeout(20):
            while seen != expected:
                await asyncio.sleep(0.05)
                topics = (await asyncio.to_thread(admin.list_topics, timeout=5)).topics
                seen = {name for name in topics if name.startswith(prefix)}
    except TimeoutError:
        pytest.fail(f"the broker lists {sorted(seen)}, expected {sorted(expected)}")


def test_a_libs_folder_without_kafka_is_refused_with_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VICINO_KAFKA_LIBS", str(folder))
    with pytest.raises(JarsMissing, match="libs folder of an unpacked Kafka"):
        kafka_libs(folder, lambda _: None)


def test_jars_that_cannot_be_fetched_name_the_two_settings_that_help(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise OSError("no way out")

    monkeypatch.delenv("VICINO_KAFKA_LIBS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setattr("services.local.jars._fetch", unreachable)
    with pytest.raises(JarsMissing, match=r"(?s)VICINO_KAFKA_BOOTSTRAP.*VICINO_KAFKA_LIBS"):
        kafka_libs(folder, lambda _: None)
