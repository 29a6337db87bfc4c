"""Do what an operator asks for, and keep who asked for what and what came of it."""

from typing import Any

import msgspec

from services.chassis.other_service import OtherService
from services.chassis.service import Runtime
from services.chassis.web import Problem
from services.console import metrics
from services.console.domain.acts import Act, ActOutcome, request_of
from services.console.store import sql

DONE = 400
"""Statuses below this one."""


async def act(runtime: Runtime, gateway: OtherService, asked: Act) -> None:
    """Ask the gateway, once for each act however often its form is sent. The line is written before anything is asked."""
    now = runtime.clock.now()
    async with runtime.pool.acquire() as db:
        is_new = await sql.add_act(
            db, id=asked.id, at=now, who=asked.who, kind=asked.kind, object=asked.object, tenant_id=asked.tenant_id,
            detail=asked.kept,
        )  # fmt: skip
    if is_new is None:
        return
    outcome, explanation = await _ask(gateway, asked, now)
    metrics.ACTS.labels(asked.kind, outcome).inc()
    async with runtime.pool.acquire() as db:
        await sql.settle_act(db, id=asked.id, outcome=outcome, explanation=explanation)


async def _ask(gateway: OtherService, asked: Act, now: Any) -> tuple[ActOutcome, str]:
    request = request_of(asked, now)
    try:
        seen = await gateway.send(request.method, request.path, request.content, request.media_type)
    except Problem as problem:
        return ActOutcome.UNAVAILABLE, problem.detail
    if seen.status < DONE:
        return ActOutcome.DONE, ""
    return ActOutcome.REFUSED, _why(msgspec.json.decode(seen.body))


def _why(problem: Any) -> str:
    """The sentences of a problem."""
    faults = [str(fault.get("detail", "")) for fault in problem.get("errors", [])]
    return "; ".join(fault for fault in faults if fault) or str(problem["detail"])
