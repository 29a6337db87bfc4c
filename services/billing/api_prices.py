"""Billing's doors for prices that are agreed with one tenant."""

from datetime import date
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from schemas.scalars import Amount, Key
from services.billing.api_reads import Name, Reads, Words
from services.billing.domain.agreed_prices import AgreedPrice
from services.billing.usecases.agree_price import PriceRefused, agree_price
from services.billing.usecases.query_usage import NotKnown
from services.billing.usecases.show_agreed import show_agreed
from services.chassis.service import Runtime
from services.chassis.web import Problem, refused


class PriceRequest(BaseModel):
    """What a tenant pays for a unit of a component, from the first day of a month on."""

    model_config = ConfigDict(extra="forbid")

    sku: Key
    code: Key
    price: Amount
    since: date
    until: date | None = None
    by: Words
    reason: Words


def build_prices_api(app: FastAPI, ask: Reads, runtime: Runtime) -> None:
    """Add these doors to the API."""

    @app.put("/v1/tenants/{tenant_id}/prices", status_code=204)
    async def agree(tenant_id: Name, asked: PriceRequest) -> None:
        """Agree a price with a tenant; one that begins on the same day is replaced."""
        wanted = AgreedPrice(asked.sku, asked.code, asked.since, asked.until, asked.price)
        try:
            async with runtime.unit(f"price|{uuid4()}") as unit:
                await agree_price(tenant_id, wanted, asked.by, asked.reason, unit)
        except NotKnown as error:
            raise Problem(404, "Not Found", str(error)) from None
        except PriceRefused as error:
            raise refused(f"/{error.field}", error.reason, str(error)) from None

    @app.get("/v1/tenants/{tenant_id}/prices")
    async def agreed(tenant_id: Name) -> list[dict[str, Any]]:
        """What is agreed with a tenant, of all times, in the order of arrival."""
        return await ask(lambda db: show_agreed(db, tenant_id))
