"""PostgreSQL as a back-end: a database and a login for each service instance, which sees nothing else."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import asyncpg

from schemas.catalogue import ProvisioningStep
from services.chassis.sealing import KeyRing, ring_of
from services.onboarding import metrics
from services.onboarding.adapters import Instance
from services.onboarding.adapters.logins import (
    Login,
    allow_login,
    find,
    guard,
    make_database,
    make_role,
    note,
)
from services.onboarding.domain.credentials import Credentials, derive, name_before, name_of

TIMEOUT_SECONDS = 20.0
TRIES_MAX = 5
"""Of a call that meets another's change."""

MET_ANOTHER = "tuple concurrently updated"
"""PostgreSQL's message, of no code of its own, when two sessions change one row of its catalogue at once."""

P = ParamSpec("P")
R = TypeVar("R")


def _despite_others(
    call: Callable[Concatenate["PostgresDriver", P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate["PostgresDriver", P], Coroutine[Any, Any, R]]:
    """Make a call again that met another session's change of the same login. Each call may be made twice."""

    @wraps(call)
    async def calling(driver: "PostgresDriver", /, *args: P.args, **kwargs: P.kwargs) -> R:
        for _ in range(TRIES_MAX - 1):
            try:
                return await call(driver, *args, **kwargs)
            except asyncpg.InternalServerError as error:
                if MET_ANOTHER not in str(error):
                    raise
        return await call(driver, *args, **kwargs)

    return calling


class LoginMissing(RuntimeError):
    """A service instance that was made has no login. Tried again: a person may bring it back."""


class PostgresDriver:
    """Needs a role with CREATEDB and CREATEROLE on the server that holds the tenants' databases."""

    def __init__(self, url: str, keys: KeyRing | bytes) -> None:
        self._url, self._keys = url, ring_of(keys)

    @asynccontextmanager
    async def _connection(self, call: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        with metrics.DRIVER_SECONDS.labels("postgres", call).time():
            connection = await asyncpg.connect(
                self._url, timeout=5, command_timeout=TIMEOUT_SECONDS
            )
            try:
                yield connection
            finally:
                connection.terminate()

    async def _found(
        self, connection: "asyncpg.Connection[asyncpg.Record]", service_id: str
    ) -> Login | None:
        before = [name_before(key, service_id) for key in self._keys]
        return await find(connection, service_id, [name_of(service_id), *before])

    @_despite_others
    async def provision(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """Make the login, then the database it owns. Each part that an earlier attempt left undone is done now."""
        async with self._connection("provision") as connection:
            login = await self._found(connection, instance.service_id)
            credentials = derive(
                self._keys.current, instance.service_id, name=login.name if login else ""
            )
            await make_role(connection, credentials)
            await note(connection, credentials.role, instance.service_id, self._keys.current)
            await make_database(connection, credentials)
            await guard(connection, credentials.role, credentials.database)

    @_despite_others
    async def change(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """Quantities do not change a database; while the service is suspended, its login is closed."""
        async with self._connection("change") as connection:
            login = await self._found(connection, instance.service_id)
            if login is not None:
                await allow_login(connection, login.name, not instance.is_suspended)
            elif not instance.is_suspended:
                raise LoginMissing("the service has no login: somebody took it away")

    async def exists(self, instance: Instance, step: ProvisioningStep, key: str) -> bool:
        """Whether its login or its database is there."""
        async with self._connection("exists") as connection:
            return await self._found(connection, instance.service_id) is not None

    @_despite_others
    async def deprovision(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """Cut its connections, drop the database and the login."""
        async with self._connection("deprovision") as connection:
            login = await self._found(connection, instance.service_id)
            if login is None:
                return
            # Of one whose making was cut short the database's owner is not ours to be, until this is granted.
            await connection.execute(
                f'grant "{login.name}" to current_user with inherit true, set true'
            )
            await connection.execute(f'drop database if exists "{login.name}" with (force)')
            await connection.execute(f'drop role if exists "{login.name}"')

    @_despite_others
    async def remember(self, service_ids: list[str]) -> int:
        """Write beside each login of these whose it is and under which key it was made, if that is not known.

        For logins made before that was written down: the key they were made with is the one that names them.
        """
        noted = 0
        async with self._connection("remember") as connection:
            for service_id in service_ids:
                for key in self._keys:
                    login = await find(connection, service_id, [name_before(key, service_id)])
                    if login is not None and login.key_id is None:
                        await note(connection, login.name, service_id, key)
                        await guard(connection, login.name, login.name)
                        noted += 1
        return noted

    async def credentials(self, service_id: str) -> Credentials | None:
        """How its users reach its database now; None when it has no login, or was made under a key that is not here."""
        async with self._connection("credentials") as connection:
            login = await self._found(connection, service_id)
        if login is None:
            return None
        key = self._keys.current if login.key_id is None else self._keys.by_id(login.key_id)
        return derive(key, service_id, name=login.name) if key is not None else None

    @_despite_others
    async def rotate(self, service_id: str) -> bool:
        """Give its login the password that the current key makes; False when it has it, or there is no login."""
        async with self._connection("rotate") as connection:
            login = await self._found(connection, service_id)
            if login is None or login.is_under(self._keys.current):
                return False
            credentials = derive(self._keys.current, service_id, name=login.name)
            async with connection.transaction():
                await make_role(connection, credentials)
                await note(connection, login.name, service_id, self._keys.current)
            return True
