"""Who may look: the operator's token, or a session that it opened. Sessions are random, kept here, expire, and can be ended."""

import hmac
import secrets
from datetime import timedelta
from hashlib import sha256

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from schemas.identity import OPERATOR
from services.chassis.browsers import check_origin, cookie_name, is_secure
from services.chassis.gate import has_controls
from services.chassis.service import Runtime
from services.chassis.strangers import Strangers
from services.chassis.web import address_of, bearer, check_pace, unauthorized
from services.console.store import sql

COOKIE = "vicino_console"
LASTS = timedelta(hours=12)
VALUE_BYTES = 32


class LoginNeeded(Exception):
    """The page wants a login first."""


class Guard:
    """Lets in who may look. A session ends with its time, with a sign-out, and with the token that opened it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._token = runtime, runtime.settings.token()
        self._strangers = Strangers()

    async def admit(self, request: Request) -> None:
        """Let a session or the token in. Raises `LoginNeeded` for a page, else `Problem` 401, 429."""
        path = request.scope["path"]
        if has_controls(path):
            raise HTTPException(404)
        if (who := await self._who_is_in(request)) is not None:
            check_origin(request)
            request.state.who = who
            return
        is_page = not path.startswith("/api/") and (
            request.method in ("GET", "HEAD") or path == "/logout"
        )
        if is_page and "authorization" not in request.headers:
            raise LoginNeeded
        self.check(request, bearer(request))
        request.state.who = OPERATOR

    def check(self, request: Request, token: str) -> None:
        """Let the operator's token pass. Raises `Problem` 401, 429."""
        check_pace(self._strangers, request, token)
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            self._strangers.was_wrong(address_of(request), "console")
            raise unauthorized()
        self._strangers.was_right(address_of(request), token)

    async def sign_in(self, request: Request, response: Response, who: str) -> None:
        """Open a session and give its cookie. `who` stands beside what is done in it."""
        value, now = secrets.token_urlsafe(VALUE_BYTES), self._runtime.clock.now()
        async with self._runtime.pool.acquire() as db, db.transaction():
            await sql.prune_sessions(db, at=now)
            await sql.open_session(
                db,
                digest=self._digest(value),
                who=who or OPERATOR,
                opened_at=now,
                expires_at=now + LASTS,
            )
        response.set_cookie(
            cookie_name(request, COOKIE), value, max_age=int(LASTS.total_seconds()), httponly=True, samesite="strict",
            secure=is_secure(request), path="/",
        )  # fmt: skip

    async def sign_out(self, request: Request, response: Response) -> None:
        """End the session, here and in the browser."""
        if value := request.cookies.get(cookie_name(request, COOKIE)):
            async with self._runtime.pool.acquire() as db:
                await sql.close_session(db, digest=self._digest(value))
        response.delete_cookie(
            cookie_name(request, COOKIE),
            httponly=True,
            samesite="strict",
            secure=is_secure(request),
            path="/",
        )

    async def _who_is_in(self, request: Request) -> str | None:
        value = request.cookies.get(cookie_name(request, COOKIE))
        if not value or len(value) > 2 * VALUE_BYTES:
            return None
        digest, now = self._digest(value), self._runtime.clock.now()
        async with self._runtime.pool.acquire() as db:
            who = await sql.who_is_in(db, digest=digest, at=now)
        return None if who is None else who or OPERATOR

    def _digest(self, value: str) -> bytes:
        """What is kept of a cookie. The token is its key: with another token, no session is open."""
        return hmac.digest(
            self._token.encode(), b"vicino console session|" + value.encode(), sha256
        )
