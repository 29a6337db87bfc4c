"""Whatever step of a call outside hangs for one receiver, another is notified as fast as ever."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tests.integration.gateway.notifying import alert, attempts
from tests.integration.gateway.receivers import Behaviour, answering, hang, receiving, slow_loris
from tests.integration.gateway.world import World, open_world, reseller, tenant_of
from tests.support.name_server import naming

SILENT = "hooks.silent.example"
ALERTS = 200
TOLD_SECONDS_MAX = 5.0
"""For each of the neighbour's, on two busy cores; a hanging call takes 15 s."""


async def stalling_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say yes, promise a body, and send a part of it."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nx")
    await asyncio.Event().wait()


@asynccontextmanager
async def at_name() -> AsyncIterator[str]:
    yield f"http://{SILENT}:8443/hook"


@asynccontextmanager
async def at_connect() -> AsyncIterator[str]:
    """A port whose queue of connections is full: the kernel drops who knocks."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        port.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(port.getsockname())
        yield f"http://127.0.0.1:{port.getsockname()[1]}/hook"
        for filler in fillers:
            filler.close()


def at_behaviour(
    behaviour: Behaviour, scheme: str = "http"
) -> Callable[[], AbstractAsyncContextManager[str]]:
    @asynccontextmanager
    async def at() -> AsyncIterator[str]:
        async with receiving(behaviour) as receiver:
            yield receiver.url.replace("http", scheme, 1)

    return at


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(at_name, id="name"),
        pytest.param(at_connect, id="connect"),
        pytest.param(at_behaviour(hang, "https"), id="TLS"),
        pytest.param(at_behaviour(hang), id="head"),
        pytest.param(at_behaviour(slow_loris), id="head, byte by byte"),
        pytest.param(at_behaviour(stalling_body), id="body"),
    ],
)
async def test_a_step_that_hangs_for_one_receiver_delays_no_other(
    database: str,
    bootstrap: str,
    topic_prefix: str,
    at: Callable[[], AbstractAsyncContextManager[str]],
) -> None:
    async with (
        naming({}, [SILENT]) as names, at() as url, receiving(answering("200 OK")) as alive,
        open_world(database, bootstrap, topic_prefix, nameservers=names.address) as world,
    ):  # fmt: skip
        for firm, name, where in (("A", "VAR-A", url), ("B", "VAR-B", alive.url)):
            await world.serve(firm, name)
            assert (
                await world.call("PUT", f"/operator/v1/resellers/{name}", reseller(name, where))
            ).status == 200
        await world.tell(tenant_of("A"), *(alert(world, "A", "VAR-A") for _ in range(ALERTS)))
        await world.gateway.eventually(lambda: at_work(world))
        for _ in range(5):
            opened = alert(world, "B", "VAR-B")
            await world.tell(tenant_of("B"), opened)
            began = time.monotonic()
            await attempts(world, opened.alert_id, 1)
            assert time.monotonic() - began < TOLD_SECONDS_MAX


async def at_work(world: World) -> bool:
    """Whether calls of the receiver that hangs are under way, or have ended."""
    rows = await world.gateway.sql(
        "select count(*) as n from job where kind = 'deliver_webhook' and party = 'VAR-A' and lease_token is not null"
        " union all select count(*) from notification where recipient = 'VAR-A' and attempts > 0"
    )
    return any(row["n"] for row in rows)
