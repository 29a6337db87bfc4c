"""The story: nine resellers, eleven orders, two months of usage, invoices, trouble. Its acts, and the stage they play on."""

import asyncio
import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from schemas.topics import TOPICS
from services.chassis.admin import remove_topics
from services.chassis.clock import steer
from services.chassis.kafka_login import servers_from
from services.local.access import OPERATOR, remove_access
from services.local.demo import (
    joining,
    leaving,
    money,
    month,
    owner,
    secrecy,
    tables,
    trouble,
    year_end,
)
from services.local.demo.outcome import outcome
from services.local.demo.stage import Stage, rome
from services.local.demo.world import OPERATOR_EMAIL, Mailbox
from services.local.home import CLOCK_FILE, Home, HomeBusy
from services.local.roles import SERVICES
from services.local.stack import Stack

DEMO = "demo"
HOMES_MAX = 9
"""Demos that may play beside each other in one checkout."""

ACTS: tuple[tuple[str, Callable[[Stage], Awaitable[None]]], ...] = (
    ("the catalogue is published, nine resellers are registered", joining.act_register),
    ("eleven orders arrive at the door", joining.act_order),
    ("each firm gets its nearest fitting reseller, and its services", joining.act_onboard),
    ("each service's database opens for its owner alone", joining.act_credentials),
    ("a reseller's contract is agreed, a spending cap is set", money.act_agree),
    ("3 November: the first invoices", month.act_first_invoices),
    ("3 November: an owner opens the page of its firm", owner.act_owner),
    ("12 November: SME-01 adds two users", month.act_grow),
    ("30 November: a month of usage, in order and out of it", month.act_usage),
    ("30 November: a spending cap is passed, and told", money.act_cap),
    ("3 December: the month is invoiced", month.act_month_end),
    ("3 December: a payment, a commission, and books that agree", money.act_books),
    ("3 December: a service goes silent", trouble.act_silence),
    ("3 December: a back-end refuses a service for good", trouble.act_refusal),
    ("3 December: an incident is reported, and forgotten", trouble.act_incident),
    ("3 December: two alerts are resolved, the third escalates", trouble.act_answers),
    ("20 December: a cap, late usage, documents that were none", year_end.act_december),
    ("3 January: the cap binds, corrections are billed and credited", year_end.act_new_year),
    ("5 January: a reseller's statement, and books that agree", year_end.act_statement),
    ("5 January: a firm leaves; on 4 February nothing is left", leaving.act_leave),
    ("a look for secrets in every event and log", secrecy.secrets),
)


async def play(stage: Stage, console: Console) -> None:
    """Act by act, with live progress. An act that fails ends the story, after a report of what was seen until then."""
    for title, act in ACTS:
        began = time.monotonic()
        stage.expect.act = title
        with console.status(title) as status:
            stage.tell = lambda what, title=title, status=status: status.update(
                f"{title} [dim]({what})[/]"
            )  # type: ignore[misc]
            try:
                await act(stage)
            except Exception:
                tables.show_failures(console, stage.expect)
                raise
        console.print(
            tables.act_line(title, stage.expect.of(title), time.monotonic() - began),
            highlight=False,
        )


async def _own_home(home: Path, life: AsyncExitStack) -> Home:
    """A folder of its own for this demo, made empty; another demo in this checkout has another one."""
    for name in (DEMO, *(f"{DEMO}-{n}" for n in range(2, HOMES_MAX + 1))):
        try:
            folder = await life.enter_async_context(Home(home / name))
        except HomeBusy:
            continue
        await asyncio.to_thread(folder.clear)
        return folder
    raise HomeBusy(f"{HOMES_MAX} demos play in {home} already")


def _guest_prefix(life: AsyncExitStack) -> str:
    """On a broker that is not ours the demo has topics and logins of its own, and removes them when it ends."""
    if not (bootstrap := os.environ.get("VICINO_KAFKA_BOOTSTRAP")):
        return ""
    prefix, kafka = f"demo-{secrets.token_hex(4)}.", servers_from(bootstrap, os.environ)
    life.push_async_callback(remove_topics, kafka, TOPICS, prefix=prefix)
    if kafka.user:
        life.push_async_callback(remove_access, kafka, (*SERVICES, OPERATOR), prefix=prefix)
    return prefix


async def set_stage(
    folder: Home, console: Console, life: AsyncExitStack, ports: Mapping[str, int] | None = None
) -> Stage:
    """A fresh stack in an empty folder, and the world around it. `ports`: where its APIs are, if they are free."""
    with console.status("starting PostgreSQL, Apache Kafka and five services ...") as status:
        clock_file = folder.path / CLOCK_FILE
        steer(clock_file, rome(2026, 11, 1, 0, 5))
        mailbox = Mailbox()
        prefix = _guest_prefix(life)
        environment = {
            "VICINO_CLOCK_FILE": str(clock_file),
            "VICINO_SMTP_URL": f"smtp://127.0.0.1:{mailbox.port}",
            "VICINO_OPERATOR_EMAIL": OPERATOR_EMAIL,
        }
        stack = await life.enter_async_context(
            # The roles and databases of a story are nobody else's: it always has a PostgreSQL of its own.
            Stack(
                folder,
                status.update,
                environment=environment,
                topic_prefix=prefix,
                own_postgres=True,
                usual_ports=ports or {},
            )
        )
    console.print(
        f"  [green]✓[/] the stack is up [dim]{stack.started_in_seconds:.1f} s[/]", highlight=False
    )
    session = await life.enter_async_context(aiohttp.ClientSession())
    stage = Stage(stack, session, clock_file, mailbox)
    for part in (stage.receivers, stage.backend, mailbox):
        await part.start()
        life.push_async_callback(part.stop)
    return stage


async def while_it_lives(stack: Stack, story: Coroutine[Any, Any, None]) -> None:
    """Play; a stack that lost a server ends the story at once. Raises `PartLost`."""
    playing, losing = asyncio.create_task(story), asyncio.create_task(stack.lost())
    try:
        done, _ = await asyncio.wait((playing, losing), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (playing, losing):
            task.cancel()
        await asyncio.gather(playing, losing, return_exceptions=True)


async def run(home: Path, console: Console) -> bool:
    """Play the story on a fresh stack; writes `demo.json` into `home`. True if every expectation held."""
    began = time.monotonic()
    file = home / "demo.json"
    # A demo that breaks shall not leave the good news of an earlier one.
    file.unlink(missing_ok=True)
    console.print(
        "[bold]Vicino[/]: nine resellers, eleven firms, two months. Each act says how many expectations held."
    )
    async with AsyncExitStack() as life:
        stage = await set_stage(await _own_home(home, life), console, life)
        await while_it_lives(stage.stack, play(stage, console))
        found = await outcome(stage)
    found["seconds"] = round(time.monotonic() - began, 1)
    file.write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
    tables.show(console, found, stage.expect)
    console.print(tables.verdict(found, stage.expect, file), highlight=False, soft_wrap=True)
    return stage.expect.all_held
