"""A service instance's login and database on the tenants' server: found, made, noted, bounded.

Whose a login is, and under which master key its password was made, stands in a comment on the role: beside what it is
about, in the same transaction, whatever key a later process has. Names are hexadecimal and verifiers base64: nothing of
them needs quoting beyond the quotes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from services.chassis.sealing import key_id
from services.onboarding.domain.credentials import Credentials

LOGIN_CONNECTIONS_MAX = 10
"""Of one service instance at a time, on its database as on its login."""

_LIMITS = {
    "temp_file_limit": "1GB", "statement_timeout": "5min", "idle_in_transaction_session_timeout": "1min",
    "idle_session_timeout": "1h",
}  # fmt: skip
"""What a session of a tenant begins with. A tenant may set all but the first otherwise for itself; what protects others is
the first, which only a superuser may raise, the limits of connections, and the connections reserved for Vicino."""

_BY_COMMENT = """
select r.rolname as name, shobj_description(r.oid, 'pg_authid') as about from pg_roles r
join pg_shdescription d on d.objoid = r.oid and d.classoid = 'pg_authid'::regclass
where d.description like '%' || $1 || '%'
"""
_BY_NAME = """
select name, (select shobj_description(oid, 'pg_authid') from pg_roles where rolname = name) as about
from unnest($1::text[]) name
where exists (select from pg_roles where rolname = name) or exists (select from pg_database where datname = name)
"""


@dataclass(frozen=True, slots=True)
class Login:
    """One that is there. `key_id` is None when it was made before that was noted."""

    name: str
    key_id: bytes | None

    def is_under(self, master_key: bytes) -> bool:
        """Whether its password was made under this key."""
        return self.key_id == key_id(master_key)


async def find(
    connection: "asyncpg.Connection[asyncpg.Record]", service_id: str, names: Sequence[str]
) -> Login | None:
    """The login of a service instance: the one that says it is, else one that has one of these names."""
    for row in await connection.fetch(_BY_COMMENT, service_id):
        if (about := _about(row["about"])).get("service") == service_id:
            return Login(row["name"], bytes.fromhex(about["key"]))
    for row in await connection.fetch(_BY_NAME, names):
        about = _about(row["about"])
        return Login(row["name"], bytes.fromhex(about["key"]) if "key" in about else None)
    return None


def _about(comment: str | None) -> dict[str, str]:
    try:
        found = json.loads(comment or "{}")
    except ValueError:  # a comment that is not ours
        return {}
    return found if isinstance(found, dict) else {}


async def note(
    connection: "asyncpg.Connection[asyncpg.Record]", role: str, service_id: str, master_key: bytes
) -> None:
    """Write down whose a login is, and under which key."""
    about = json.dumps({"service": service_id, "key": key_id(master_key).hex()}).replace("'", "''")
    await connection.execute(f"comment on role \"{role}\" is '{about}'")


async def make_role(
    connection: "asyncpg.Connection[asyncpg.Record]", credentials: Credentials
) -> None:
    """Make the login, or bring one that is there to what it should be; one that is closed stays so."""
    verb = (
        f'alter role "{credentials.role}"'
        if await connection.fetchval("select 1 from pg_roles where rolname = $1", credentials.role)
        else f'create role "{credentials.role}" login'
    )
    await connection.execute(
        f"{verb} connection limit {LOGIN_CONNECTIONS_MAX} password '{credentials.verifier}'"
    )
    # An attempt that was cut short before this left a login that nobody may act for: said every time.
    await connection.execute(
        f'grant "{credentials.role}" to current_user with inherit true, set true'
    )


async def make_database(
    connection: "asyncpg.Connection[asyncpg.Record]", credentials: Credentials
) -> None:
    """Closed to everyone but its owner, before anyone could look."""
    if not await connection.fetchval(
        "select 1 from pg_database where datname = $1", credentials.database
    ):
        await connection.execute(
            f'create database "{credentials.database}" owner "{credentials.role}"'
        )
    await connection.execute(f'revoke all on database "{credentials.database}" from public')


async def allow_login(
    connection: "asyncpg.Connection[asyncpg.Record]", role: str, is_allowed: bool
) -> None:
    """Open or close a login. Closed first, then its sessions are cut: none can begin in between."""
    await connection.execute(f'alter role "{role}" {"login" if is_allowed else "nologin"}')
    if not is_allowed:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", role
        )


async def guard(connection: "asyncpg.Connection[asyncpg.Record]", role: str, database: str) -> None:
    """Bound what a login may take from others."""
    await connection.execute(f'alter role "{role}" connection limit {LOGIN_CONNECTIONS_MAX}')
    await connection.execute(
        f'alter database "{database}" connection limit {LOGIN_CONNECTIONS_MAX}'
    )
    for name, value in _LIMITS.items():
        # Only a superuser may set a file limit, or whom it gave that right to (`vicino prepare` does).
        if name == "temp_file_limit" and not await _may_set(connection, name):
            continue
        await connection.execute(f"alter role \"{role}\" set {name} = '{value}'")


async def _may_set(connection: "asyncpg.Connection[asyncpg.Record]", parameter: str) -> bool:
    return bool(
        await connection.fetchval(
            "select has_parameter_privilege(current_user, $1, 'SET')", parameter
        )
    )
