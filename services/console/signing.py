"""Signing in and out."""

from typing import Annotated

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from schemas.scalars import holds_forbidden_text
from services.chassis.texts import one_line
from services.chassis.web import Problem
from services.console.pages import Pages
from services.console.sessions import Guard, LoginNeeded

UNAUTHORIZED = 401
WHO_MAX = 100
TOO_MANY_TRIES = "Too many wrong tokens came from here. Wait a minute, then try again."


def add_signing(app: FastAPI, show: Pages, guard: Guard) -> None:
    """Signing in and out."""

    @app.exception_handler(LoginNeeded)
    async def login_needed(_: Request, __: LoginNeeded) -> Response:
        return RedirectResponse("/login", 303)

    @app.get("/login", response_class=HTMLResponse)
    async def login_page() -> Response:
        """Where the token goes in."""
        return show.plain("login", wrong="")

    @app.post("/login")
    async def login(
        request: Request, token: Annotated[str, Form()], who: Annotated[str, Form()] = ""
    ) -> Response:
        """The token for a session."""
        if len(who) > WHO_MAX or holds_forbidden_text(who):
            return show.plain("login", 422, wrong=f"A name has at most {WHO_MAX} characters.")
        try:
            guard.check(request, token.strip())
        except Problem as problem:
            wrong = (
                "That is not the operator's token."
                if problem.status == UNAUTHORIZED
                else TOO_MANY_TRIES
            )
            page = show.plain("login", problem.status, wrong=wrong)
            page.headers.update(problem.headers)
            return page
        response = RedirectResponse("/", 303)
        await guard.sign_in(request, response, one_line(who).strip())
        return response

    @app.post("/logout")
    async def logout(request: Request) -> Response:
        """The session ends."""
        response = RedirectResponse("/login", 303)
        await guard.sign_out(request, response)
        return response
