"""Roles and schemas: each service owns one schema of one database, and its role can see nothing else.

Two may make the same ones at once, in one database or in two: roles belong to the whole server, where no lock of a
database keeps them apart. So who comes second looks again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg

SERVICES = ("gateway", "onboarding", "billing", "monitoring", "console")
PROVISIONER = "vicino_provisioner"
ATTEMPTS = 8
_OTHERS_WERE_FASTER = (
    asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError, asyncpg.DuplicateDatabaseError, asyncpg.InternalServerError,
)  # fmt: skip


def role_of(service: str) -> str:
    """The PostgreSQL role of a service."""
    return f"vicino_{service}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def _though_others_do_the_same(work: Callable[[], Awaitable[None]]) -> None:
    """Do what may be done twice, again, if another was faster with a part of it."""
    for attempt in range(1, ATTEMPTS):
        try:
            await work()
            return
        # Two that alter one role at once are an internal error to PostgreSQL.
        except _OTHERS_WERE_FASTER:
            await asyncio.sleep(0.05 * attempt)
    await work()


async def ensure_database(superuser_url: str, database: str) -> None:
    """Make the database, if it is not there, closed to everyone without a grant."""
    await _though_others_do_the_same(partial(_ensure_database, superuser_url, database))


async def _ensure_database(superuser_url: str, database: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", database):
            await connection.execute(f'create database "{database}"')
        await connection.execute(f'revoke all on database "{database}" from public')
    finally:
        await connection.close()


async def _ensure_role(
    connection: "asyncpg.Connection[asyncpg.Record]", role: str, password: str, options: str
) -> None:
    verb = (
        "alter"
        if await connection.fetchval("select 1 from pg_roles where rolname = $1", role)
        else "create"
    )
    await connection.execute(f'{verb} role "{role}" login {options} password {_quoted(password)}')


async def ensure_service(database_url: str, database: str, service: str, password: str) -> None:
    """Make a service's role and its schema of the same name in `database`; `database_url` is the superuser's."""
    await _though_others_do_the_same(
        partial(_ensure_service, database_url, database, service, password)
    )


async def _ensure_service(database_url: str, database: str, service: str, password: str) -> None:
    role = role_of(service)
    connection = await asyncpg.connect(database_url)
    try:
        await _ensure_role(connection, role, password, "nosuperuser nocreatedb nocreaterole")
        await connection.execute(f'grant pg_use_reserved_connections to "{role}"')
        await connection.execute("revoke all on schema public from public")
        await connection.execute(f'grant connect on database "{database}" to "{role}"')
        await connection.execute(f'create schema if not exists "{service}" authorization "{role}"')
        await connection.execute(
            f'alter role "{role}" in database "{database}" set search_path = "{service}"'
        )
    finally:
        await connection.close()


async def ensure_provisioner(superuser_url: str, password: str) -> None:
    """Make the role that makes tenants' databases and logins: it may do that, and is no superuser."""
    await _though_others_do_the_same(partial(_ensure_provisioner, superuser_url, password))


async def _ensure_provisioner(superuser_url: str, password: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    try:
        await _ensure_role(connection, PROVISIONER, password, "nosuperuser createdb createrole")
        await connection.execute(f'grant pg_use_reserved_connections to "{PROVISIONER}"')
        # What a tenant's session may write to disk is bounded by whom that right is given to, not by the tenant.
        await connection.execute(f'grant set on parameter temp_file_limit to "{PROVISIONER}"')
        await connection.execute("revoke all on database postgres, template1 from public")
        await connection.execute(f'grant connect on database postgres to "{PROVISIONER}"')
    finally:
        await connection.close()
