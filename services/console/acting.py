"""What operators do: the forms of the pages. What cannot be undone is asked first."""

from typing import Annotated

from fastapi import FastAPI, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator

from schemas.scalars import Text, Uuid
from services.chassis.other_service import OtherService
from services.chassis.service import Runtime
from services.chassis.texts import one_line
from services.console.domain.acts import FINAL, Act, ActKind, page_of
from services.console.pages import Pages
from services.console.usecases import act as acting

YES = "yes"
Detail = Annotated[Text, AfterValidator(lambda text: one_line(text).strip())]


def add_acting(app: FastAPI, show: Pages, runtime: Runtime, gateway: OtherService) -> None:
    """One path for all acts; the form says which it is."""

    @app.post("/acts/{kind}")
    async def act(
        request: Request,
        kind: Annotated[ActKind, Path()],
        act_id: Annotated[Uuid, Form()],
        about: Annotated[Uuid, Form()],
        tenant_id: Annotated[Uuid | None, Form()] = None,
        detail: Annotated[Detail, Form()] = "",
        confirmed: Annotated[str, Form()] = "",
    ) -> Response:
        """Do it, and show what it was done to; or ask first."""
        asked = Act(act_id, kind, about, tenant_id, request.state.who, detail)
        where = page_of(kind, about, tenant_id)
        if kind in FINAL and confirmed != YES:
            return show.plain("confirm", asked=asked, means=FINAL[kind], where=where)
        await acting.act(runtime, gateway, asked)
        return RedirectResponse(where, 303)
