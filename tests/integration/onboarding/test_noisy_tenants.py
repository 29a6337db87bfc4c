"""Tenants that take all they can get take nothing from Vicino: connections, disk, limits of their own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import pytest

from schemas.catalogue import ProvisioningStep
from services.chassis.database import open_pool
from services.chassis.sealing import KeyRing
from services.local.postgres import Postgres
from services.local.roles import (
    PROVISIONER,
    SERVICES,
    ensure_database,
    ensure_provisioner,
    ensure_service,
    role_of,
)
from services.onboarding.adapters import Instance
from services.onboarding.adapters.logins import LOGIN_CONNECTIONS_MAX, make_database, make_role
from services.onboarding.adapters.postgres import PostgresDriver
from services.onboarding.domain.credentials import derive, name_before
from tests.support.databases import PASSWORD

KEY = b"k" * 32
TENANTS = 25
POOL = 12
STEP = ProvisioningStep(driver="postgres")
WAITING = (
    "select exists (select from pg_stat_activity where usename = $1 and wait_event_type = 'Lock')"
)
FULL = (asyncpg.TooManyConnectionsError, asyncpg.CannotConnectNowError)


def instance_of(service_id: str) -> Instance:
    return Instance(service_id, "t", "SKU", {})


@dataclass
class Shared:
    """A server that Vicino and its tenants share, as in `vicino up`."""

    postgres: Postgres
    services: list[str]

    def url(self, service_id: str) -> str:
        found = derive(KEY, service_id)
        return self.postgres.url(found.role, found.password, found.database)


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    folder = tmp_path_factory.mktemp("shared")
    server = await Postgres.start(folder / "postgres", log=folder / "postgres.log")
    await ensure_database(server.superuser_url, "vicino")
    inside = server.superuser_url.rsplit("/", 1)[0] + "/vicino"
    for name in SERVICES:
        await ensure_service(inside, "vicino", name, PASSWORD)
    await ensure_provisioner(server.superuser_url, PASSWORD)
    driver = PostgresDriver(server.url(PROVISIONER, PASSWORD, "postgres"), KEY)
    found = Shared(server, [str(uuid4()) for _ in range(TENANTS)])
    for service_id in found.services:
        await driver.provision(instance_of(service_id), STEP, "k")
    yield found
    await server.stop()


async def all_it_can(url: str, held: AsyncExitStack) -> int:
    """Open connections until the server refuses."""
    n = 0
    while True:
        try:
            connection = await asyncpg.connect(url, timeout=20)
        except FULL:
            return n
        held.callback(connection.terminate)
        n += 1


async def test_when_every_tenant_opens_all_it_can_each_service_still_fills_its_pool(
    shared: Shared,
) -> None:
    async with AsyncExitStack() as held:
        opened = [await all_it_can(shared.url(service_id), held) for service_id in shared.services]
        assert max(opened) <= LOGIN_CONNECTIONS_MAX
        assert sum(opened) < TENANTS * LOGIN_CONNECTIONS_MAX, (
            "the server was never full: this shows nothing"
        )
        for name in SERVICES:
            pool = await open_pool(
                shared.postgres.url(role_of(name), PASSWORD, "vicino"), name, POOL, "test"
            )
            held.callback(pool.terminate)
            connections = await asyncio.gather(*(pool.acquire(timeout=20) for _ in range(POOL)))
            assert [await connection.fetchval("select 1") for connection in connections] == [
                1
            ] * POOL
        provisioner = await asyncpg.connect(shared.postgres.url(PROVISIONER, PASSWORD, "postgres"))
        held.callback(provisioner.terminate)


FORBIDDEN = {
    "more connections": 'alter role "{0}" connection limit -1',
    "no limit of files": "set temp_file_limit = -1",
    "a default without limit of files": 'alter role "{0}" set temp_file_limit = -1',
    "a default of its database": 'alter database "{0}" set temp_file_limit = -1',
    "reserved connections": 'grant pg_use_reserved_connections to "{0}"',
    "another login": 'create role "{0}_more" login',
    "another database": 'create database "{0}_more"',
}


@pytest.mark.parametrize("what", FORBIDDEN)
async def test_a_tenant_cannot_take_off_what_protects_others(shared: Shared, what: str) -> None:
    connection = await asyncpg.connect(shared.url(shared.services[0]))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(FORBIDDEN[what].format(derive(KEY, shared.services[0]).role))
    finally:
        await connection.close()


async def test_a_login_that_takes_its_databases_limit_away_is_still_held_by_its_own(
    shared: Shared,
) -> None:
    service_id = shared.services[1]
    connection = await asyncpg.connect(shared.url(service_id))
    await connection.execute(
        f'alter database "{derive(KEY, service_id).database}" connection limit -1'
    )
    await connection.close()
    async with AsyncExitStack() as held:
        assert await all_it_can(shared.url(service_id), held) == LOGIN_CONNECTIONS_MAX


async def test_a_session_begins_with_limits_of_time_and_of_files(shared: Shared) -> None:
    connection = await asyncpg.connect(shared.url(shared.services[2]))
    names = (
        "temp_file_limit",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
    )
    assert [
        name for name in names if await connection.fetchval(f"show {name}") in ("0", "-1")
    ] == []
    await connection.close()


CALLS: dict[str, Callable[[PostgresDriver, str], Awaitable[object]]] = {
    "provision": lambda driver, service_id: driver.provision(instance_of(service_id), STEP, "k"),
    "deprovision": lambda driver, service_id: driver.deprovision(
        instance_of(service_id), STEP, "k"
    ),
    "rotate": lambda driver, service_id: driver.rotate(service_id),
    "remember": lambda driver, service_id: driver.remember([service_id]),
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_that_meets_another_sessions_change_of_its_login_is_made_again(
    shared: Shared, call: str
) -> None:
    service_id, url = str(uuid4()), shared.postgres.url(PROVISIONER, PASSWORD, "postgres")
    driver = PostgresDriver(url, KeyRing(b"n" * 32, (KEY,)) if call == "rotate" else KEY)
    async with AsyncExitStack() as held:
        watching, other = (
            await asyncpg.connect(shared.postgres.superuser_url),
            await asyncpg.connect(url),
        )
        held.callback(watching.terminate)
        held.callback(other.terminate)
        # As it was made before it was noted whose a login is: there is something to do for each call.
        login = derive(KEY, service_id, name=name_before(KEY, service_id))
        await make_role(other, login)
        await make_database(other, login)
        async with other.transaction():
            await other.execute(f'alter role "{login.role}" connection limit 3')
            await other.execute(f"comment on role \"{login.role}\" is 'changed'")
            called = asyncio.ensure_future(CALLS[call](driver, service_id))
            async with asyncio.timeout(20):
                while not await watching.fetchval(WAITING, PROVISIONER):
                    assert not called.done(), f"it waited for nobody: {called}"
                    await asyncio.sleep(0.01)
        await called
    assert (await driver.credentials(service_id) is None) == (call == "deprovision")
