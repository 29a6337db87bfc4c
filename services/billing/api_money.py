"""Billing's doors for money: caps, contracts, previews, payments, and usage that is taken back."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import uuid4

from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.reasons import Reason
from schemas.scalars import (
    Amount,
    Currency,
    Instant,
    Key,
    NonNegativeQuantity,
    ShortText,
    Text,
    Uuid,
    plain,
    rfc3339,
)
from schemas.tenants import LifeState
from services.billing import store
from services.billing.api_reads import Name, Reads
from services.billing.domain.commission import ContractModel, last_told
from services.billing.domain.settlement import NoQuarter
from services.billing.metering.checks import RawGone
from services.billing.usecases.agree_contract import (
    ContractTooEarly,
    NoSuchReseller,
    agree_contract,
)
from services.billing.usecases.ask_for_usage import (
    AskRefused,
    UsageAnswer,
    UsageAsked,
    may_use,
    reserve_usage,
)
from services.billing.usecases.preview_invoice import (
    AskedChange,
    AskedService,
    PreviewRefused,
    preview_invoice,
)
from services.billing.usecases.query_usage import (
    NotKnown,
)
from services.billing.usecases.record_payment import PaymentRefused, record_payment
from services.billing.usecases.retract_usage import RetractionRefused, retract_usage
from services.billing.usecases.set_cap import CapRefused, NoSuchService
from services.billing.usecases.set_tenant_cap import any_cap
from services.billing.usecases.settle_reseller import statement
from services.billing.usecases.show_accounts import show_accounts
from services.billing.usecases.show_caps import show_caps
from services.billing.usecases.show_invoices import show_invoices
from services.chassis.service import Runtime
from services.chassis.web import Problem, refused

Limit = Annotated[int, Query(ge=1, le=1000)]
Line = Annotated[int | None, Query(ge=1)]


def build_money_api(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    """Add the doors for money to the API."""
    _caps(app, ask, runtime)
    _contracts(app, ask, runtime)
    _previews(app, ask, runtime)
    _retractions(app, runtime)
    _payments(app, ask, runtime)
    _allowed(app, ask, runtime)
    _statements(app, ask)


class ChangeRequest(BaseModel):
    """Quantities of a service that might change, or its state; neither: it is cancelled."""

    model_config = ConfigDict(extra="forbid")

    service_id: Uuid
    quantities: dict[Key, NonNegativeQuantity] | None
    effective_at: Instant
    state: LifeState | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.quantities is not None and self.state is not None:
            raise ValueError("quantities and a state are two changes")
        return self


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


class PaymentRequest(BaseModel):
    """Money that came for an invoice, or went back (negative)."""

    model_config = ConfigDict(extra="forbid")

    number: Name
    reference: ShortText
    amount: Amount
    received_on: date


def _payments(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    @app.post("/v1/payments")
    async def pay(asked: PaymentRequest) -> dict[str, str]:
        """Record a payment of an invoice, by its number; the same reference again changes nothing."""
        try:
            async with runtime.unit(f"payment|{uuid4()}") as unit:
                found = await record_payment(
                    asked.number, asked.reference, asked.amount, asked.received_on, unit
                )
        except NotKnown as error:
            raise Problem(404, "Not Found", str(error)) from None
        except PaymentRefused as error:
            raise refused(f"/{error.field}", error.reason, str(error)) from None
        return {"open": plain(found.open)}

    @app.get("/v1/tenants/{tenant_id}/invoices")
    async def invoices(tenant_id: Name) -> list[dict[str, Any]]:
        """A tenant's invoices, newest first: what was asked, credited and paid, and what is open."""
        return await ask(lambda db: show_invoices(db, tenant_id, runtime.clock.now()))

    @app.get("/v1/accounts")
    async def accounts(party: Name | None = None) -> list[dict[str, Any]]:
        """The balance of each account of the ledger, debits less credits: of a tenant, of a reseller, or of all."""
        return await ask(lambda db: show_accounts(db, party))


Positive = Annotated[NonNegativeQuantity, Field(gt=0)]


class ReserveRequest(BaseModel):
    """Usage that a back-end wants to be sure of before it lets it happen."""

    model_config = ConfigDict(extra="forbid")

    service_id: Uuid
    meter: Key
    quantity: Positive = Decimal(1)
    key: Name = Field(min_length=1)
    """The caller's own: the same one again gets the same answer."""
    seconds: int = Field(default=60, ge=1, le=3600)
    """How long it is held; by then the usage itself has come."""


def _allowed(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    @app.get("/v1/tenants/{tenant_id}/may")
    async def may(
        tenant_id: Name, service_id: Uuid, meter: Key, quantity: Positive = Decimal(1)
    ) -> dict[str, Any]:
        """Whether usage fits below the hard caps of this month, as of now."""
        asked = UsageAsked(service_id, meter, quantity)
        try:
            return _answered(
                await ask(lambda db: may_use(db, tenant_id, asked, runtime.clock.now()))
            )
        except AskRefused as error:
            raise refused(f"/{error.field}", error.reason, str(error)) from None

    @app.post("/v1/tenants/{tenant_id}/reserve")
    async def reserve(tenant_id: Name, asked: ReserveRequest) -> dict[str, Any]:
        """The same, and hold what is allowed for a while."""
        wanted = UsageAsked(asked.service_id, asked.meter, asked.quantity)
        try:
            async with runtime.unit(f"reserve|{uuid4()}") as unit:
                holds = timedelta(seconds=asked.seconds)
                return _answered(await reserve_usage(tenant_id, wanted, asked.key, holds, unit))
        except NotKnown as error:
            raise Problem(404, "Not Found", str(error)) from None
        except AskRefused as error:
            raise refused(f"/{error.field}", error.reason, str(error)) from None


def _answered(found: UsageAnswer) -> dict[str, Any]:
    remaining = None if found.remaining is None else plain(found.remaining)
    return {"allowed": found.allowed, "reason": found.reason, "remaining": remaining, "as_of": rfc3339(found.as_of)}  # fmt: skip


def _statements(app: FastAPI, ask: Reads) -> None:
    @app.get("/v1/resellers/{reseller_id}/statement")
    async def reseller_statement(reseller_id: Name, quarter: Name) -> list[dict[str, Any]]:
        """What a reseller is paid for a quarter, such as `2026-Q4`: as it was issued, or as it stands."""
        try:
            found = await ask(lambda db: statement(db, reseller_id, quarter))
        except NoQuarter as error:
            raise refused("/quarter", Reason.BAD_DATA, str(error)) from None
        return [one.model_dump(mode="json") for one in found]


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

    service_id: Uuid | None = None
    """None: the cap is on the tenant's whole month, fees and usage together."""
    meters: tuple[Key, ...] = Field(default=(), max_length=100)
    """Of the service: at least one."""
    currency: Currency | None = None
    """Of a cap on the whole month, where the tenant's services are billed in several."""
    amount: Amount | None
    """Net of IVA, in the currency of the service or the one that is named. Null lifts the cap."""
    hard: bool = True
    since: date | None = None
    """The first day of a month; none: this month."""


def _caps(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    @app.put("/v1/tenants/{tenant_id}/caps", status_code=204)
    async def put_cap(tenant_id: Name, asked: CapRequest) -> None:
        """Set, change or lift what meters of a service, or a tenant's whole month, may cost."""
        try:
            async with runtime.unit(f"cap|{uuid4()}") as unit:
                await any_cap(
                    tenant_id, unit, service_id=asked.service_id, meters=asked.meters, currency=asked.currency,
                    amount=asked.amount, hard=asked.hard, since=asked.since,
                )  # fmt: skip
        except NoSuchService as error:
            raise Problem(404, "Not Found", str(error)) from None
        except CapRefused as error:
            raise refused(f"/{error.field}", error.reason, error.detail) from None

    @app.get("/v1/tenants/{tenant_id}/caps")
    async def get_caps(tenant_id: Name) -> list[dict[str, Any]]:
        """The caps of this month: what each allows, and what is spent of it so far."""
        return await ask(lambda db: show_caps(db, tenant_id, runtime.clock.now()))
