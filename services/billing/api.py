"""Billing's windows for the operator: what became of usage, rejects, quantities, and how a line came about."""

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from uuid import uuid4

from asyncpg import Record
from fastapi import FastAPI, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from schemas.envelope import ATTRIBUTE_LENGTH_MAX
from schemas.scalars import (
    Amount,
    Instant,
    Key,
    NonNegativeQuantity,
    Text,
    Uuid,
    plain,
    rfc3339,
    storable,
)
from services.billing import store
from services.billing.domain.commission import ContractModel, last_told
from services.billing.metering.checks import RawGone
from services.billing.metering.store import sql as metering
from services.billing.store import sql
from services.billing.usecases.agree_contract import (
    ContractTooEarly,
    NoSuchReseller,
    agree_contract,
)
from services.billing.usecases.explain_invoice import explain_invoice
from services.billing.usecases.preview_invoice import (
    AskedChange,
    AskedService,
    PreviewRefused,
    preview_invoice,
)
from services.billing.usecases.query_usage import (
    NotKnown,
    Unanswerable,
    UsageQuery,
    query_events,
    query_usage,
)
from services.billing.usecases.retract_usage import RetractionRefused, retract_usage
from services.billing.usecases.set_cap import CapRefused, NoSuchService, set_cap
from services.billing.usecases.show_caps import show_caps
from services.billing.usecases.show_cost import show_cost
from services.billing.usecases.summarise_usage import summarise_usage
from services.chassis import store as chassis_store
from services.chassis.clock import Clock
from services.chassis.database import Connection
from services.chassis.service import Runtime
from services.chassis.store import collect
from services.chassis.web import Problem, application, operator_only, refused

Limit = Annotated[int, Query(ge=1, le=1000)]
Name = Annotated[str, AfterValidator(storable), Field(max_length=ATTRIBUTE_LENGTH_MAX)]
Line = Annotated[int | None, Query(ge=1)]
Answer = TypeVar("Answer")


class UsageParameters(BaseModel):
    """What quantities are asked for: civil days `[from, to)` of the tenant's zone."""

    first: date = Field(alias="from")
    after: date = Field(alias="to")
    meter: Name | None = None
    by: Literal["total", "day", "hour"] = "total"
    group_by: list[Name] = Field(default_factory=list, max_length=8)

    def query(self) -> UsageQuery:
        """The question in billing's own terms."""
        return UsageQuery(self.first, self.after, self.meter, self.by, self.group_by)


class Reads:
    """Runs queries on connections of their own, and turns what they refuse into problems."""

    def __init__(self, runtime: Runtime) -> None:
        self._pool = runtime.pool

    async def __call__(self, query: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """The answer of a query. Raises `Problem` 404, 422."""
        try:
            async with self._pool.acquire() as db:
                return await query(db)
        except NotKnown as error:
            raise Problem(404, "Not Found", str(error)) from None
        except Unanswerable as error:
            raise Problem(422, "Unprocessable Content", str(error)) from None


def build_api(runtime: Runtime) -> FastAPI:
    """The API of billing."""
    app, ask = (
        application("Vicino billing", operator_only(runtime.settings.token(), "billing")),
        Reads(runtime),
    )
    _of_all_tenants(app, ask)
    _of_one_tenant(app, ask, runtime.clock)
    _caps(app, ask, runtime)
    _contracts(app, ask, runtime)
    _previews(app, ask, runtime)
    _retractions(app, runtime)
    return app


class ChangeRequest(BaseModel):
    """Quantities of a service that might change; null: it is cancelled."""

    model_config = ConfigDict(extra="forbid")

    service_id: Uuid
    quantities: dict[Key, NonNegativeQuantity] | None
    effective_at: Instant


class ServiceRequest(BaseModel):
    """A service that might be ordered."""

    model_config = ConfigDict(extra="forbid")

    sku: Key
    quantities: dict[Key, NonNegativeQuantity]
    effective_at: Instant


class PreviewRequest(BaseModel):
    """What is asked about; nothing: the running month."""

    model_config = ConfigDict(extra="forbid")

    changes: tuple[ChangeRequest, ...] = Field(default=(), max_length=100)
    services: tuple[ServiceRequest, ...] = Field(default=(), max_length=100)


class RetractionRequest(BaseModel):
    """A usage event that is to count no more."""

    model_config = ConfigDict(extra="forbid")

    source: Name
    id: Name
    sender: Name | None = None
    """Needed where several senders have an event of this source and id."""
    reason: Text


def _retractions(app: FastAPI, runtime: Runtime) -> None:
    @app.post("/v1/tenants/{tenant_id}/usage/retract")
    async def retract(tenant_id: Name, asked: RetractionRequest) -> dict[str, bool]:
        """Take back a usage event; `retracted` is false if that was done before."""
        try:
            async with runtime.unit(f"retract|{uuid4()}") as unit:
                is_new = await retract_usage(
                    tenant_id, asked.source, asked.id, asked.reason, unit, asked.sender
                )
        except NotKnown as error:
            raise Problem(404, "Not Found", str(error)) from None
        except RetractionRefused as error:
            raise refused("/id", error.reason, str(error)) from None
        except RawGone as error:
            raise Problem(409, "Conflict", str(error)) from None
        return {"retracted": is_new}


def _previews(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    @app.post("/v1/tenants/{tenant_id}/preview")
    async def preview(tenant_id: Name, asked: PreviewRequest) -> dict[str, Any]:
        """The documents of a tenant's next run, with changes, cancellations and orders that might come."""
        changes = [AskedChange(**dict(change)) for change in asked.changes]
        services = [AskedService(**dict(service)) for service in asked.services]
        try:
            found = await ask(
                lambda db: preview_invoice(db, tenant_id, runtime.clock.now(), changes, services)
            )
        except PreviewRefused as error:
            raise refused(error.pointer, error.reason, str(error)) from None
        return {
            "boundary": found.boundary, "as_of": rfc3339(found.as_of),
            "documents": [
                {"tipo_documento": one.tipo_documento, "currency": one.currency,
                 "lines": [line.model_dump(mode="json") for line in one.lines],
                 "totals": one.totals.model_dump(mode="json")}
                for one in found.documents
            ],
        }  # fmt: skip


Percent = Annotated[Amount, Field(ge=0, le=100)]


class ContractRequest(BaseModel):
    """What a reseller earns, as an operator agrees it."""

    model_config = ConfigDict(extra="forbid")

    since: date
    model: ContractModel = ContractModel.AGENCY
    rate_percent: Percent
    first_year_uplift_percent: Percent = Decimal(0)


def _contracts(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    @app.put("/v1/resellers/{reseller_id}/contract", status_code=204)
    async def put_contract(reseller_id: Name, asked: ContractRequest) -> None:
        """Agree what a reseller earns of its tenants' documents from a day on."""
        try:
            async with runtime.unit(f"contract|{uuid4()}") as unit:
                await agree_contract(reseller_id, unit, **dict(asked))
        except NoSuchReseller as error:
            raise Problem(404, "Not Found", str(error)) from None
        except ContractTooEarly as error:
            raise refused("/since", error.reason, str(error)) from None

    @app.get("/v1/resellers/{reseller_id}/contract")
    async def get_contract(reseller_id: Name) -> list[dict[str, Any]]:
        """A reseller's contracts, by the day they count from."""
        found = await ask(lambda db: store.contracts(db, reseller_id, runtime.clock.now()))
        return [
            {"since": one.since, "model": one.model, "rate_percent": plain(one.rate_percent),
             "first_year_uplift_percent": plain(one.first_year_uplift_percent)}
            for one in last_told(found)
        ]  # fmt: skip


class CapRequest(BaseModel):
    """A spending cap, as an operator asks for it."""

    model_config = ConfigDict(extra="forbid")

    service_id: Uuid
    meters: tuple[Key, ...] = Field(min_length=1, max_length=100)
    amount: Amount | None
    """Net of IVA, in the currency of the service. Null lifts the cap."""
    hard: bool = True
    since: date | None = None
    """The first day of a month; none: this month."""


def _caps(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    @app.put("/v1/tenants/{tenant_id}/caps", status_code=204)
    async def put_cap(tenant_id: Name, asked: CapRequest) -> None:
        """Set, change or lift what meters of a service may cost in a civil month."""
        try:
            async with runtime.unit(f"cap|{uuid4()}") as unit:
                await set_cap(
                    tenant_id, unit, service_id=asked.service_id, meters=asked.meters, amount=asked.amount,
                    hard=asked.hard, since=asked.since,
                )  # fmt: skip
        except NoSuchService as error:
            raise Problem(404, "Not Found", str(error)) from None
        except CapRefused as error:
            raise refused(f"/{error.field}", error.reason, error.detail) from None

    @app.get("/v1/tenants/{tenant_id}/caps")
    async def get_caps(tenant_id: Name) -> list[dict[str, Any]]:
        """The caps of this month: what each allows, and what is spent of it so far."""
        return await ask(lambda db: show_caps(db, tenant_id, runtime.clock.now()))


def _of_all_tenants(app: FastAPI, ask: Reads) -> None:
    @app.get("/v1/usage/summary")
    async def usage_summary() -> dict[str, Any]:
        """What became of every usage record."""
        return await ask(summarise_usage)

    @app.get("/v1/rejects")
    async def rejects(reason: Name | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        """The newest rejects, with their reason and place; the raw record is kept, and shown by `vicino rejects`."""
        found = await ask(lambda db: chassis_store.list_rejects(db, reason, limit))
        hidden = {"raw"}
        return [{name: value for name, value in row.items() if name not in hidden} for row in found]

    @app.get("/v1/usage/parked")
    async def parked() -> list[dict[str, Any]]:
        """What usage waits for: services, or the catalogue, that are not known yet."""
        return [dict(row) for row in await ask(lambda db: collect(metering.parked(db)))]

    @app.get("/v1/meters")
    async def meters() -> list[dict[str, Any]]:
        """All definitions of all meters."""
        found = await ask(lambda db: collect(sql.meter_versions(db)))
        return [dict(row) for row in sorted(found, key=lambda row: (row["key"], row["version"]))]


def _of_one_tenant(app: FastAPI, ask: Reads, clock: Clock) -> None:
    @app.get("/v1/tenants/{tenant_id}/usage")
    async def usage(
        tenant_id: Name, asked: Annotated[UsageParameters, Query()]
    ) -> list[dict[str, Any]]:
        """Quantities of a tenant over the civil days `[from, to)`, whole or by day or hour, by service, meter and group."""
        return await ask(lambda db: query_usage(db, tenant_id, asked.query()))

    @app.get("/v1/tenants/{tenant_id}/usage/events")
    async def usage_events(
        tenant_id: Name, hour: AwareDatetime, meter: Name | None = None
    ) -> list[dict[str, Any]]:
        """The raw events behind a bucket: those of the civil hour that begins at `hour`, that a meter counts."""
        return await ask(lambda db: query_events(db, tenant_id, hour, meter))

    @app.get("/v1/tenants/{tenant_id}/cost")
    async def cost(tenant_id: Name) -> dict[str, Any]:
        """What the running month costs, net of IVA: fees, usage so far, and both at its end if it goes on like this."""
        return await ask(lambda db: show_cost(db, tenant_id, clock.now()))

    @app.get("/v1/tenants/{tenant_id}/usage/late")
    async def late(tenant_id: Name) -> list[dict[str, Any]]:
        """Usage that came after its month was invoiced, with the month it belongs to."""
        return [
            _shown(row)
            for row in await ask(lambda db: collect(metering.late(db, tenant_id=tenant_id)))
        ]

    @app.get("/v1/invoices/{name:path}/explain")
    async def explain(name: Name, line: Line = None) -> dict[str, Any]:
        """What is behind a document's lines, by its id or number; of one line of usage, down to the raw events."""
        return await ask(lambda db: explain_invoice(db, name, line))


def _shown(row: Record) -> dict[str, Any]:
    return {
        name: plain(value) if isinstance(value, Decimal) else value for name, value in row.items()
    }
