"""Agree with a reseller what it earns from a day on."""

from datetime import date
from decimal import Decimal

from schemas.billing import ContractAgreed
from schemas.reasons import Reason
from services.billing.domain.commission import ContractModel
from services.billing.store import sql
from services.chassis.unit import Unit


class NoSuchReseller(LookupError):
    """Nobody of this name serves tenants."""


class ContractTooEarly(ValueError):
    """A contract would count for documents that are issued."""

    reason = Reason.RETROACTIVE


async def agree_contract(
    reseller_id: str, unit: Unit, *, since: date, model: ContractModel, rate_percent: Decimal, first_year_uplift_percent: Decimal,
) -> None:  # fmt: skip
    """Save a contract. Raises `NoSuchReseller` and `ContractTooEarly`: what a document has earned does not change any more."""
    if await sql.hold_reseller(unit.db, id=reseller_id) is None:
        raise NoSuchReseller("no such reseller")
    last = await sql.last_document(unit.db, reseller_id=reseller_id)
    if last is not None and since <= last:
        raise ContractTooEarly(f"its tenants have a document of {last}: later than that")
    await sql.add_contract(
        unit.db, reseller_id=reseller_id, since=since, model=model, rate_percent=rate_percent,
        first_year_uplift_percent=first_year_uplift_percent, stored_at=unit.now,
    )  # fmt: skip
    fact = ContractAgreed(
        reseller_id=reseller_id, since=since, model=model, rate_percent=rate_percent,
        first_year_uplift_percent=first_year_uplift_percent,
    )  # fmt: skip
    unit.publish(fact, subject=reseller_id)
