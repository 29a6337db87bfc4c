"""The owner's pages over HTTP. Forms are plain, there is no script, and nothing comes from elsewhere."""

import time
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any
from uuid import uuid4

from fastapi import FastAPI, Form, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import AfterValidator, StringConstraints
from starlette.exceptions import HTTPException
from stdnum.exceptions import ValidationError as BadNumber
from stdnum.it import iva

from schemas import identity
from schemas.scalars import Text, Uuid
from schemas.signals import Severity
from services.chassis import italian
from services.chassis.texts import one_line
from services.chassis.web import Problem, address_of, application, check_pace
from services.gateway import metrics
from services.gateway.domain.owner_links import LINK_CHARACTERS
from services.gateway.inbound.limits import Limiter
from services.gateway.inbound.unavailable import answer_when_unavailable
from services.gateway.outbound.owner_mail import PATH
from services.gateway.owner.guard import DOOR, LinkNeeded, OwnersGuard, tenant_of
from services.gateway.owner.reading import FirmReading, origin_of
from services.gateway.usecases.registry import Registry
from services.gateway.usecases.report_by_owner import SAID_MAX, NotTheirs, report_by_owner
from services.gateway.usecases.send_owner_link import send_owner_link

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
STATES = {
    "active": "attivo", "suspended": "sospeso", "ended": "terminato",
    "open": "da pagare", "overdue": "scaduta", "paid": "pagata", "overpaid": "pagata", "credit": "nota di credito",
}  # fmt: skip
"""What the owner reads of a service, and of a document."""

STAGES = {
    "open": "avvisata la sua persona", "escalated": "avvisata anche l'assistenza", "acknowledged": "presa in carico",
    "resolved": "risolta",
}  # fmt: skip
"""What has become of a report."""

SEVERITIES = {
    Severity.P1: "Siamo fermi", Severity.P2: "Una parte non funziona", Severity.P3: "È un fastidio, ma si lavora",
}  # fmt: skip
REPORTS_AT_ONCE, REPORTS_A_SECOND = 5.0, 1 / 300
PAGES_AT_ONCE, PAGES_A_SECOND = 30.0, 1.0
"""Of one firm. Each page asks others several questions."""

TOO_MANY = "Ha aperto molte pagine in poco tempo. Riprovi tra qualche secondo."
MISSING = "Questa pagina non c'è."
UNAVAILABLE = "In questo momento non riusciamo a rispondere. Riprovi tra qualche minuto."
Said = Annotated[
    Text, AfterValidator(lambda text: one_line(text).strip()), StringConstraints(min_length=1, max_length=SAID_MAX)
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seller:
    """Who issues the documents, as they say it; what is empty is left out."""

    name: str = ""
    vat: str = ""
    address: str = ""
    iban: str = ""


def _one_line(value: Any) -> Any:
    """What a template shows: a text from outside stays on its line. Numbers and markup are ours."""
    return one_line(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


class OwnersPages:
    """Renders the owner's pages."""

    def __init__(self, seller: Seller) -> None:
        self._seller = seller
        self._templates = Environment(
            loader=FileSystemLoader(FilePath(__file__).parent / "templates"), autoescape=True,
            undefined=StrictUndefined, finalize=_one_line,
        )  # fmt: skip
        self._templates.filters.update(
            amount=italian.amount, quantity=italian.quantity, day=italian.day, moment=italian.moment
        )
        self._templates.globals.update(
            path=PATH, states=STATES, stages=STAGES, severities=SEVERITIES, said_max=SAID_MAX
        )

    def show(self, name: str, status: int = 200, picture: str = "", **found: Any) -> Response:
        """A page. `picture` is the one address that it may show a picture from."""
        metrics.OWNERS_PAGES.labels(name).inc()
        template = self._templates.get_template(f"{name}.html")
        html = template.render(seller=self._seller, new_id=uuid4, **found)
        headers = dict(HEADERS)
        if picture:
            headers["Content-Security-Policy"] += f"; img-src {picture}"
        return HTMLResponse(html, status, headers=headers)


def build_pages(
    guard: OwnersGuard, registry: Registry, reading: FirmReading, seller: Seller
) -> FastAPI:
    """The app behind `/mia`. Whatever goes wrong is said in a page."""
    app = application("La mia pagina", guard.admit, version="1.0.0", openapi_url=None)
    pages = OwnersPages(seller)
    _add_faults(app, pages)
    views = Limiter(PAGES_A_SECOND, PAGES_AT_ONCE)
    _add_entry(app, pages, guard, registry)
    _add_firm(app, pages, registry, reading, views)
    return app


def _check_views(views: Limiter, tenant_id: str) -> None:
    """Raises `Problem` 429."""
    wait = views.wait_seconds(tenant_id, time.monotonic())
    if wait > 0:
        retry = {"Retry-After": str(int(wait) + 1)}
        raise Problem(429, "Too Many Requests", TOO_MANY, headers=retry)


def _add_faults(app: FastAPI, pages: OwnersPages) -> None:
    @app.exception_handler(LinkNeeded)
    async def link_needed(_: Request, __: LinkNeeded) -> Response:
        return RedirectResponse(PATH, 303)

    def written(error: Problem) -> Response:
        said = {404: MISSING, 429: TOO_MANY}.get(error.status, UNAVAILABLE)
        answer = pages.show("avviso", error.status, said=said)
        answer.headers.update(error.headers)
        return answer

    answer_when_unavailable(app, written)

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return written(error)

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return pages.show("avviso", error.status_code, said=MISSING)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, _: RequestValidationError) -> Response:
        if request.method == "GET":
            return pages.show("avviso", 404, said=MISSING)
        return pages.show(
            "avviso", 422, said="Manca qualcosa: torni indietro e completi il modulo."
        )


def _add_entry(app: FastAPI, pages: OwnersPages, guard: OwnersGuard, registry: Registry) -> None:
    @app.post(f"{PATH}/collegamento")
    async def ask_for_link(
        request: Request, partita_iva: Annotated[str, Form(max_length=40)]
    ) -> Response:
        """A new link, by mail to the person at the firm. The answer is the same for a firm that is none of ours."""
        check_pace(guard.strangers, request, partita_iva)
        try:
            number = str(iva.validate(partita_iva))
        except BadNumber:
            return pages.show("entra", 422, wrong="Questa partita IVA non è valida.")
        if not await send_owner_link(registry.runtime, identity.tenant_id("IT", number)):
            guard.strangers.was_wrong(address_of(request), DOOR)
        said = (
            "Se è nostra cliente, abbiamo scritto alla persona che ci ha indicato: guardi la posta. "
            "Scriviamo al massimo una volta ogni dieci minuti."
        )
        return pages.show("avviso", said=said)

    @app.post(f"{PATH}/esci")
    async def leave(request: Request) -> Response:
        """Forget the link in this browser."""
        response = RedirectResponse(PATH, 303)
        guard.leave(request, response)
        return response

    @app.get(f"{PATH}/{{link}}")
    async def open_link(
        request: Request,
        link: Annotated[str, Path(min_length=LINK_CHARACTERS, max_length=LINK_CHARACTERS)],
    ) -> Response:
        """A link from a mail. The address that stays in the browser no longer holds it."""
        response = RedirectResponse(PATH, 303, headers=HEADERS)
        if await guard.open(request, response, link):
            return response
        return pages.show("entra", 403, wrong="Questo collegamento è scaduto o non è completo.")


def _add_firm(
    app: FastAPI, pages: OwnersPages, registry: Registry, reading: FirmReading, views: Limiter
) -> None:
    reports = Limiter(REPORTS_A_SECOND, REPORTS_AT_ONCE)

    @app.get(PATH)
    async def mine(request: Request) -> Response:
        """The page of whoever holds a link; or where a link is asked for."""
        if request.state.tenant_id is None:
            return pages.show("entra", wrong="")
        _check_views(views, request.state.tenant_id)
        found = await reading.firm(request.state.tenant_id)
        person = found["person"]
        return pages.show("pagina", picture=origin_of(person.photo) if person else "", **found)

    @app.get(f"{PATH}/fatture/{{invoice_id}}")
    async def invoice(request: Request, invoice_id: Uuid) -> Response:
        """A document, to read and to print."""
        tenant_id = tenant_of(request)
        _check_views(views, tenant_id)
        found = await reading.invoice(tenant_id, invoice_id)
        if found is None:
            return pages.show("avviso", 404, said=MISSING)
        firm = await reading.firm_of_invoice(tenant_id)
        return pages.show("fattura", invoice=found, firm=firm)

    @app.post(f"{PATH}/segnala")
    async def report(
        request: Request,
        form_id: Annotated[Uuid, Form()],
        service_id: Annotated[Uuid, Form()],
        severity: Annotated[Severity, Form()],
        said: Annotated[Said, Form()],
    ) -> Response:
        """Something is wrong."""
        tenant_id = tenant_of(request)
        if reports.wait_seconds(tenant_id, time.monotonic()) > 0:
            said_so = "Ha già scritto più volte: la sua persona lo sa. Se è urgente, la chiami."
            return pages.show("avviso", 429, said=said_so)
        try:
            await report_by_owner(registry, tenant_id, service_id, severity, said, form_id)
        except NotTheirs:
            return pages.show("avviso", 404, said=MISSING)
        return pages.show("avviso", said="Ricevuto. La sua persona è stata avvisata e la richiama.")
