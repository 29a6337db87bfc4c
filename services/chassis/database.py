"""PostgreSQL: the pool, and which of its errors are the record's fault and which are the machine's."""

from pathlib import Path
from typing import Any, TypeAlias

import aiosql
import asyncpg
import msgspec
from aiosql.queries import Queries

from services.chassis.texts import bounded

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

COMMAND_TIMEOUT_SECONDS = 30.0
"""A statement that takes longer hangs; it is cut and tried again."""

CONNECT_TIMEOUT_SECONDS = 5.0
IDLE_IN_TRANSACTION_MS = 20_000
"""A process that is paused in a transaction holds its locks no longer than this."""

_RECORD_FAULT_CLASSES = ("21", "22", "23", "44", "54", "P0")
"""SQLSTATE classes that one record's data cause: too many rows, data exception, constraint violation, too large or too deep
for a limit of PostgreSQL's (a text that no index takes), raised by a function.
Everything else (connection, deadlock, resources, read-only, missing privilege or table) is not the record's fault."""

CLOSED_TRANSPORT = "the handler is closed"

_AWAY_CLASSES = ("08", "53", "57")
"""Connection, insufficient resources, operator intervention."""


class _Jsonb:
    """Python objects to `jsonb` and back, without the standard library's NaN and Infinity."""

    encode = staticmethod(lambda value: msgspec.json.encode(value).decode())
    decode = staticmethod(lambda text: msgspec.json.decode(text))


async def _prepare(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_Jsonb.encode, decoder=_Jsonb.decode
    )


async def open_pool(url: str, schema: str, size_max: int, application: str) -> Pool:
    """A pool whose connections see `schema` first. Raises what `is_infrastructure` knows while the server is unavailable."""
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size_max,
        init=_prepare,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        server_settings={
            "search_path": schema,
            "application_name": application,
            "timezone": "UTC",
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
        },
    )


async def connect(url: str, schema: str, application: str) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection outside the pool, for what holds it for long (LISTEN)."""
    connection = await asyncpg.connect(
        url,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        server_settings={"search_path": schema, "application_name": application, "timezone": "UTC"},
    )
    await _prepare(connection)
    return connection


async def answers(url: str) -> bool:
    """Whether the server takes connections just now."""
    try:
        await (await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_SECONDS)).close()
    except Exception as error:
        if not is_away(error):
            raise
        return False
    return True


def is_away(error: BaseException) -> bool:
    """Whether the server cannot be reached, starts, stops or is full: waiting may help, where a wrong password does not."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in _AWAY_CLASSES
    return isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError)


def is_infrastructure(error: BaseException) -> bool:
    """Whether trying the same again later may help: the fault lies with the server or the way to it."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] not in _RECORD_FAULT_CLASSES
    if isinstance(error, asyncpg.InterfaceError):
        # A value that asyncpg cannot encode is a ValueError too; `asyncpg.DataError` is the server's, and another class.
        return not isinstance(error, ValueError) or isinstance(
            error, asyncpg.ClientConfigurationError
        )
    # uvloop says so with a bare RuntimeError when a closed transport is written to.
    is_closed_transport = isinstance(error, RuntimeError) and CLOSED_TRANSPORT in str(error)
    return is_closed_transport or isinstance(
        error, OSError | MemoryError | asyncpg.InternalClientError
    )


def is_lost(db: Connection) -> bool:
    """Whether a connection is no longer there, so that whatever error was met may come of it."""
    try:
        return db.is_closed()
    except asyncpg.InterfaceError:  # what the pool lent was taken back
        return True


def error_text(error: BaseException) -> str:
    """An error as it may be kept, logged and put into an event: bounded, printable, and silent about our servers.

    A database's message may repeat a row's values or name roles, a connection's names hosts: only their class is kept.
    """
    if isinstance(error, asyncpg.PostgresError):
        return f"{type(error).__name__} ({error.sqlstate})"
    if isinstance(error, OSError | asyncpg.InterfaceError):
        return type(error).__name__
    return bounded(f"{type(error).__name__}: {error}")


def load_queries(path: Path) -> Any:
    """The named statements of a `queries.sql`, as functions of a connection. They are untyped: `store.py` types them."""
    queries: Queries = aiosql.from_path(path, "asyncpg")
    return queries
