"""Looks for a text everywhere: in every column of every table, in every record of every topic, and in files."""

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import AdminClient

POSITIONS = (".index", ".timeindex")
CUT = 3
"""Characters at both ends of a text in base64 that depend on what stands beside it."""


def forms(text: str) -> set[bytes]:
    """How a text may be written: as it is, in JSON, in a URL, in hex, in base64 wherever it begins."""
    raw = text.encode()
    found = {
        raw,
        json.dumps(text)[1:-1].encode(),
        quote(text, safe="").encode(),
        raw.hex().encode(),
    }
    for before in range(3):
        found.add(b64encode(b"x" * before + raw)[CUT + 1 : -CUT - 1])
    return found


def found_in(content: bytes, texts: Iterable[str]) -> set[str]:
    """Which of some texts a content holds, in any form."""
    lower = content.lower()
    return {
        text
        for text in texts
        if any(form in content or form.lower() in lower for form in forms(text))
    }


async def tables(database: str) -> dict[str, bytes]:
    """Every table of every schema of ours, as text; bytes are in hex."""
    db = await asyncpg.connect(database)
    try:
        names = await db.fetch(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        )
        return {row["name"]: (await db.fetchval(f"select string_agg(t::text, E'\\n') from {row['name']} t") or "").encode()
                for row in names}  # fmt: skip
    finally:
        await db.close()


async def topics(bootstrap: str, prefix: str) -> dict[str, bytes]:
    """Every record of every topic with a prefix: keys, values and headers, as they are."""
    known = await asyncio.to_thread(
        lambda: AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=20).topics
    )
    names = sorted(name for name in known if name.startswith(prefix))
    parts = [TopicPartition(name, n) for name in names for n in known[name].partitions]
    assert parts, f"no topic begins with {prefix}"
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        ends, found = await consumer.end_offsets(parts), dict.fromkeys(names, b"")
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for part, records in (await consumer.getmany(timeout_ms=200)).items():
                for record in records:
                    headers = b"".join(
                        name.encode() + b"=" + (value or b"") for name, value in record.headers
                    )
                    found[part.topic] += (
                        b"\n".join((record.key or b"", record.value or b"", headers)) + b"\n"
                    )
        return found
    finally:
        await consumer.stop()


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder but Kafka's tables of positions; what vanishes meanwhile was none to keep."""
    # Servers at work remove folders and files: `os.walk` passes over what is gone, `rglob` raises.
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            try:
                if path.suffix not in POSITIONS and path.is_file() and not path.is_symlink():
                    yield str(path.relative_to(folder)), path.read_bytes()
            except FileNotFoundError:
                continue
