"""A home as it was before principals were part of what events are known by: its tables, and its rules written down."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path
from uuid import NAMESPACE_OID, UUID, uuid5

import asyncpg

from schemas.envelope import Event, Payload
from services.chassis import migrate
from services.chassis.settings import ServiceSettings

OF_THAT_TIME = {
    "chassis": ("0001_chassis", "0002_unreadable"),
    "gateway": ("0100_gateway", "0101_rotation_and_totals", "0102_meter_names"),
    "onboarding": ("0100_onboarding",),
    "monitoring": ("0100_monitoring",),
    "billing": ("0100_billing", "0110_metering", "0111_epoch", "0112_raw_kept"),
}
_ORDERS = uuid5(UUID("7d1f2c0e-5b0a-4b7e-9d63-1e5a0f6c2a11"), "order")


@asynccontextmanager
async def home_of_before(
    service: str, settings: ServiceSettings
) -> AsyncIterator[asyncpg.Connection]:
    """A service's schema with the tables it had then, to be filled as its code of that time would have."""
    with tempfile.TemporaryDirectory() as folder:
        folders = []
        for room in ("chassis", service):
            copied = Path(folder) / room
            copied.mkdir()
            for name in OF_THAT_TIME[room]:
                shutil.copy(
                    migrate.CHASSIS.parents[1] / room / "migrations" / f"{name}.sql", copied
                )
            folders.append(copied)
        await asyncio.to_thread(migrate._apply, settings.postgres_url, service, tuple(folders))
    connection = await asyncpg.connect(
        settings.postgres_url, server_settings={"search_path": service}
    )
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def upgraded(service: str, settings: ServiceSettings) -> AsyncIterator[asyncpg.Connection]:
    """The same schema, brought up to date."""
    folder = migrate.CHASSIS.parents[1] / service / "migrations"
    await migrate.migrate(settings.postgres_url, service, folder)
    connection = await asyncpg.connect(
        settings.postgres_url, server_settings={"search_path": service}
    )
    try:
        yield connection
    finally:
        await connection.close()


def inbox_row(event: Event[Payload]) -> tuple[UUID, int]:
    """What the inbox held of an event: the hashes of (subject, source, id), and of what it said."""
    name = "\x00".join((event.subject, event.source, event.id)).encode()
    content = event.type.encode() + b"\x00" + event.data.model_dump_json().encode()
    hashed = int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)
    return UUID(bytes=blake2b(name, digest_size=16).digest()), hashed


def usage_key(event: Event[Payload]) -> UUID:
    """What metering knew a usage event by."""
    name = f"{event.subject}\0{event.source}\0{event.id}".encode()
    return UUID(bytes=blake2b(name, digest_size=16).digest())


def order_id(tenant: str, source: str, event_id: str) -> str:
    """The id of an order."""
    return str(uuid5(_ORDERS, f"{tenant}|{source}|{event_id}"))


def alert_id(source: str, event_id: str) -> str:
    """The id of an alert that an incident opened."""
    return str(uuid5(NAMESPACE_OID, f"vicino|alert|incident|{source}|{event_id}"))
