"""What the doors share: who is let in, how much of a body is read, and how a refusal is answered."""

import time
from typing import Annotated, Any

import msgspec
from fastapi import Path, Request
from starlette.requests import ClientDisconnect

from schemas.identity import OPERATOR
from schemas.reasons import Reason
from services.chassis.service import Runtime
from services.chassis.strangers import Strangers
from services.chassis.web import (
    Problem,
    address_of,
    bearer,
    check_pace,
    header,
    unauthorized,
)
from services.gateway import contract, metrics, store
from services.gateway.domain.admission import Principal, PrincipalKind
from services.gateway.domain.cloudevents import Incoming, body_limit, parsing
from services.gateway.domain.faults import Fault, Refused
from services.gateway.domain.keys import same
from services.gateway.domain.plain_usage import read_plain
from services.gateway.inbound.limits import Limiter
from services.gateway.inbound.pace import in_turns
from services.gateway.principals.knowledge import Knowledge
from services.gateway.usecases.admit_events import Intake

EVENTS_PATH = "/v1/events"
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{18}$")]


def problem(status: int, detail: str, **more: Any) -> Problem:
    """A problem with its usual title."""
    return Problem(status, contract.TITLES[status], detail, **more)


def refusal(refused: Refused) -> Problem:
    """A refusal as problem+json: nothing was accepted, and every fault is listed."""
    errors = [
        {
            "index": fault.index,
            "pointer": fault.pointer,
            "reason": fault.reason,
            "detail": fault.detail,
        }
        for fault in refused.faults
    ]
    told = (
        "every fault is"
        if refused.total == len(errors)
        else f"the first {len(errors)} of {refused.total} faults are"
    )
    return problem(
        refused.status, f"nothing was accepted; {told} listed", errors=errors, total=refused.total
    )


async def _body(request: Request, limit: int) -> bytes:
    """The body, read no further than its limit; its connection bounds the time. Raises `Refused` (`too_large`), `Problem` 408."""
    declared = header(request, b"content-length")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
    except ClientDisconnect:
        raise problem(408, "the sender ended before its request") from None
    return bytes(body)


def _too_large(limit: int) -> Refused:
    return Refused([Fault(0, "", Reason.TOO_LARGE, f"a body may have {limit} bytes")])


def principal_of(request: Request) -> Principal:
    """The sender, as the gate authenticated it."""
    found: Principal = request.state.principal
    return found


def _is_operators(request: Request) -> bool:
    return str(request.scope["path"]).startswith("/operator/")


class Doors:
    """What the endpoints share."""

    def __init__(
        self, runtime: Runtime, knowledge: Knowledge, intake: Intake, limiter: Limiter
    ) -> None:
        self.runtime, self.knowledge, self.intake, self.limiter = (
            runtime,
            knowledge,
            intake,
            limiter,
        )
        self._strangers = Strangers()
        self._operators_token = runtime.settings.token()

    async def admit(self, request: Request) -> None:
        """Authenticate the sender, before a byte of the body is read. Raises `Problem` 401, 403, 429."""
        token = bearer(request)
        check_pace(self._strangers, request, token)
        found = await self._holder(token)
        if found is None:
            self._strangers.was_wrong(address_of(request), "gateway")
            raise unauthorized()
        self._strangers.was_right(address_of(request), token)
        if not _is_operators(request):
            wait = self.limiter.wait_seconds(found.id, time.monotonic())
            if wait > 0:
                raise problem(429, "slow down", headers={"Retry-After": str(int(wait) + 1)})
        elif found.kind is not PrincipalKind.OPERATOR:
            raise problem(403, "this door is the operator's")
        request.state.principal = found

    async def _holder(self, key: str) -> Principal | None:
        if same(key, self._operators_token):
            return Principal(PrincipalKind.OPERATOR, OPERATOR)
        return await self.knowledge.principal(key)

    async def events(self, request: Request) -> bytes:
        """Let events in; returns the answer."""
        with metrics.REQUEST_SECONDS.time():
            principal = principal_of(request)
            incoming: list[Incoming] = []
            try:
                body = await _body(request, body_limit(header(request, b"content-type")))
                headers = request.headers.items()
                usage = read_plain(headers, body)
                answers = usage and await self.intake.accept_plainly(principal, usage)
                if not answers:
                    incoming = await in_turns(parsing(headers, body))
                    answers = await self.intake.accept(principal, incoming)
            except Refused as refused:
                await self.intake.refuse(principal, refused, incoming)
                raise refusal(refused) from None
            return msgspec.json.encode({"accepted": answers})

    async def who_speaks(self, principal: Principal) -> dict[str, Any]:
        """A principal, and of a reseller whether its address is open: a 410 closes it until it is registered again."""
        found: dict[str, Any] = {"kind": principal.kind, "id": principal.id}
        if principal.kind == PrincipalKind.RESELLER:
            async with self.runtime.pool.acquire() as db:
                reseller = await store.reseller(db, principal.id)
            assert reseller is not None  # it has a key
            closed_at = reseller.webhook_closed_at
            found["webhook"] = {"open": closed_at is None, "closed_at": closed_at}
        return found
