"""PostgreSQL as a back-end: a database and a login for each service instance, which sees nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from schemas.catalogue import ProvisioningStep
from services.onboarding import metrics
from services.onboarding.adapters import Instance
from services.onboarding.domain.credentials import Credentials, derive

TIMEOUT_SECONDS = 20.0
CONNECTIONS_MAX = 20
"""Of one service instance at a time."""


class PostgresDriver:
    """Needs a role with CREATEDB and CREATEROLE on the server that holds the tenants' databases."""

    def __init__(self, url: str, master_key: bytes) -> None:
        self._url, self._master_key = url, master_key

    @asynccontextmanager
    async def _connection(self, call: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        with metrics.DRIVER_SECONDS.labels("postgres", call).time():
            connection = await asyncpg.connect(self._url, timeout=5, command_timeout=TIMEOUT_SECONDS)
            try:
                yield connection
            finally:
                connection.terminate()

    async def provision(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """Make the login, then the database it owns; what is there already is left as it is."""
        credentials = derive(self._master_key, instance.service_id)
        async with self._connection("provision") as connection:
            await _make_role(connection, credentials)
            await _make_database(connection, credentials)

    async def change(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """Quantities do not change a database."""

    async def deprovision(self, instance: Instance, step: ProvisioningStep, key: str) -> None:
        """Cut its connections, drop the database and the login."""
        credentials = derive(self._master_key, instance.service_id)
        async with self._connection("deprovision") as connection:
            await connection.execute(f'drop database if exists "{credentials.database}" with (force)')
            await connection.execute(f'drop role if exists "{credentials.role}"')


async def _make_role(connection: "asyncpg.Connection[asyncpg.Record]", credentials: Credentials) -> None:
    """The names are hexadecimal and the verifier is base64: nothing of them needs quoting beyond the quotes."""
    if await connection.fetchval("select 1 from pg_roles where rolname = $1", credentials.role):
        return
    await connection.execute(
        f"create role \"{credentials.role}\" login connection limit {CONNECTIONS_MAX} password '{credentials.verifier}'"
    )
    await connection.execute(f'grant "{credentials.role}" to current_user with inherit true, set true')


async def _make_database(connection: "asyncpg.Connection[asyncpg.Record]", credentials: Credentials) -> None:
    """Closed to everyone but its owner, before anyone could look."""
    if not await connection.fetchval("select 1 from pg_database where datname = $1", credentials.database):
        await connection.execute(f'create database "{credentials.database}" owner "{credentials.role}"')
    await connection.execute(f'revoke all on database "{credentials.database}" from public')
