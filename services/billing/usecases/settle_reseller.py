"""Settle with a reseller: what became its own in a quarter, as it stands, or issued once the quarter is over."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from schemas.billing import SettlementIssued, SettlementLine
from services.billing import store
from services.billing.domain.commission import ContractModel, contract_on
from services.billing.domain.ledger import BookedFor, CauseKind, of_settlement
from services.billing.domain.settlement import (
    EarnedDocument,
    SettledLine,
    payout,
    quarter_days,
    settled,
    twelfth_month,
)
from services.billing.store import sql
from services.chassis.database import Connection
from services.chassis.store import collect
from services.chassis.unit import Unit


class QuarterNotOver(ValueError):
    """A quarter is settled when it is over: until then its statement may change."""


async def statement(db: Connection, reseller_id: str, quarter: str) -> list[SettlementIssued]:
    """What a reseller is paid for a quarter, by currency: what was issued, or what would be as things stand now.

    Raises `NoQuarter`.
    """
    days = quarter_days(quarter)
    issued = await collect(sql.settlements(db, reseller_id=reseller_id, quarter=quarter))
    if issued:
        return [SettlementIssued.model_validate(row["document"]) for row in issued]
    documents = await _documents(db, reseller_id)
    twelfth = await _twelfth(db, sorted({document.tenant_id for document in documents}))
    before = await collect(sql.settlements_before(db, reseller_id=reseller_id, quarter=quarter))
    already = {
        (row["number"], row["what"])
        for row in await collect(sql.settled_lines(db, reseller_id=reseller_id))
    }
    carried = {row["currency"]: row["carried_out"] for row in before}
    found = []
    for currency in sorted({document.currency for document in documents} | carried.keys()):
        own = [document for document in documents if document.currency == currency]
        lines = settled(own, twelfth, days.end, already)
        if lines or carried.get(currency):
            model = own[-1].model if own else ContractModel.RESALE
            found.append(_settlement(reseller_id, quarter, currency, model, lines, carried.get(currency)))  # fmt: skip
    return found


async def settle_quarter(quarter: str, today: date, unit: Unit) -> list[SettlementIssued]:
    """Issue the statements of a quarter to all resellers that have earned; those that were issued stay. Returns the new ones.

    Raises `NoQuarter`, and `QuarterNotOver`.
    """
    days = quarter_days(quarter)
    if today < days.end:
        raise QuarterNotOver(f"{quarter} is over on {days.end}")
    new = []
    for row in await collect(sql.earning_resellers(unit.db)):
        reseller_id = row["reseller_id"]
        await sql.hold_reseller(unit.db, id=reseller_id)
        if await collect(sql.settlements(unit.db, reseller_id=reseller_id, quarter=quarter)):
            continue
        for one in await statement(unit.db, reseller_id, quarter):
            await sql.add_settlement(
                unit.db, reseller_id=reseller_id, quarter=quarter, currency=one.currency,
                document=one.model_dump(mode="json"), carried_out=one.carried_out, stored_at=unit.now,
            )  # fmt: skip
            cause = BookedFor(
                CauseKind.SETTLEMENT,
                f"{quarter}/{one.currency}",
                reseller_id,
                one.currency,
                unit.now.date(),
            )
            await store.book(unit.db, [(cause, of_settlement(one))], unit.now)
            unit.publish(one, subject=reseller_id)
            new.append(one)
    return new


async def _documents(db: Connection, reseller_id: str) -> list[EarnedDocument]:
    contracts = await store.contracts(db, reseller_id, store.ALWAYS)
    found = []
    for row in await collect(sql.earned_documents(db, reseller_id=reseller_id)):
        contract = contract_on(contracts, row["earned_on"])
        assert contract is not None, "what was earned was earned by a contract"
        found.append(EarnedDocument(
            row["number"], row["tenant_id"], row["issued_on"], row["currency"], contract.model, row["base"], row["uplift"],
            row["paid_on"],
        ))  # fmt: skip
    return found


async def _twelfth(db: Connection, tenants: Sequence[str]) -> dict[str, date | None]:
    paid: dict[str, list[tuple[date, date]]] = {}
    for row in await collect(sql.paid_invoices(db, tenants=tenants)):
        paid.setdefault(row["tenant_id"], []).append((row["issued_on"], row["paid_on"]))
    return {tenant_id: twelfth_month(days) for tenant_id, days in paid.items()}


def _settlement(
    reseller_id: str, quarter: str, currency: str, model: ContractModel, lines: Sequence[SettledLine], carried: Decimal | None
) -> SettlementIssued:  # fmt: skip
    vested = sum((line.amount for line in lines), Decimal(0))
    paid = payout(vested, carried or Decimal(0), model)
    return SettlementIssued(
        reseller_id=reseller_id, quarter=quarter, currency=currency, model=model, vested=paid.vested, due=paid.due,
        carried_in=paid.carried_in, carried_out=paid.carried_out,
        lines=tuple(
            SettlementLine(number=line.number, what=line.what, vested_on=line.vested_on, amount=line.amount) for line in lines
        ),
    )  # fmt: skip
