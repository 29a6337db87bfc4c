"""Roles and schemas: each service owns one schema of one database, and its role can see nothing else."""

import asyncpg

SERVICES = ("gateway", "onboarding", "billing", "monitoring", "console")
PROVISIONER = "vicino_provisioner"


def role_of(service: str) -> str:
    """The PostgreSQL role of a service."""
    return f"vicino_{service}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def ensure_database(superuser_url: str, database: str) -> None:
    """Make the database, if it is not there, closed to everyone who was not let in."""
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
    verb = "alter" if await connection.fetchval("select 1 from pg_roles where rolname = $1", role) else "create"
    await connection.execute(f'{verb} role "{role}" login {options} password {_quoted(password)}')


async def ensure_service(database_url: str, database: str, service: str, password: str) -> None:
    """Make a service's role and its schema of the same name in `database`; `database_url` is the superuser's."""
    role = role_of(service)
    connection = await asyncpg.connect(database_url)
    try:
        await _ensure_role(connection, role, password, "nosuperuser nocreatedb nocreaterole")
        await connection.execute("revoke all on schema public from public")
        await connection.execute(f'grant connect on database "{database}" to "{role}"')
        await connection.execute(f'create schema if not exists "{service}" authorization "{role}"')
        await connection.execute(f'alter role "{role}" in database "{database}" set search_path = "{service}"')
    finally:
        await connection.close()


async def ensure_provisioner(superuser_url: str, password: str) -> None:
    """Make the role that makes tenants' databases and logins: it may do that, and is no superuser."""
    connection = await asyncpg.connect(superuser_url)
    try:
        await _ensure_role(connection, PROVISIONER, password, "nosuperuser createdb createrole")
        await connection.execute("revoke all on database postgres, template1 from public")
        await connection.execute(f'grant connect on database postgres to "{PROVISIONER}"')
    finally:
        await connection.close()
