"""The ledger: whatever is issued, paid, earned and settled is booked once, and what is final refuses every change."""

from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from services.billing.app import MIGRATIONS
from services.billing.usecases.settle_reseller import settle_quarter
from tests.integration.billing.scenario import (
    ERP,
    MAIL,
    START,
    STORAGE,
    TENANT,
    Scenario,
    activated,
    catalogue,
    day,
    open_scenario,
    run_until,
    shared_scenario,
    used,
)
from tests.integration.billing.test_audit import audited
from tests.integration.billing.test_commission import CONTRACT, agreed, assigned
from tests.integration.chassis.test_operators import vicino
from tests.support.catalogue import CATALOGUE
from tests.support.servers import Addresses

FINAL = {
    "agreed_price",
    "assignment", "charge", "commission", "invoice", "invoice_paid", "payment", "plan", "quantity_fact", "reseller_contract",
    "retraction", "service", "service_state", "settlement", "spending_cap", "tax_profile", "tenant_cap", "transfer",
}  # fmt: skip


@pytest.fixture(scope="module")
async def traded(addresses: Addresses) -> AsyncIterator[Scenario]:
    """Fees, usage, a credit note; payments in part, too much and back; commission, and a statement of it."""
    async with shared_scenario(addresses) as scenario:
        await scenario.publish(catalogue(CATALOGUE), assigned("VAR-A"))
        assert await scenario.put(CONTRACT, agreed()) == (204, None)
        await scenario.publish(
            activated(MAIL, "MAIL-STD", 0, mailbox="3", pec_mailbox="1"),
            activated(ERP, "ERP-CLOUD", 1, base="1", extra_user="0"),
            used("level", START, MAIL, STORAGE, quantity="100"),
            *(used(f"d{n}", day("2026-11-02", n), value=f"d-{n}") for n in range(120)),
        )
        await run_until(scenario, "2026-11-01", "2026-12-01")
        await scenario.publish(used("late", day("2026-11-10"), MAIL, STORAGE, quantity="10"))
        await run_until(scenario, "2027-01-01")
        invoices = await scenario.get(f"/v1/tenants/{TENANT}/invoices")
        for n, row in enumerate(invoices):
            for reference, amount in (
                ("a", "1.00"),
                ("b", Decimal(row["open"]) + n - 1),
                ("c", "-0.50"),
            ):
                body = {
                    "number": row["number"],
                    "reference": f"{reference}{n}",
                    "amount": str(amount),
                }
                body["received_on"] = "2027-01-10"
                assert (await scenario.post("/v1/payments", body))[0] == 200
        async with scenario.service.runtime.unit("settle") as unit:
            assert await settle_quarter("2027-Q1", date(2027, 4, 1), unit)
        yield scenario


async def balances(scenario: Scenario, **of: str) -> dict[str, Decimal]:
    rows = await scenario.get("/v1/accounts", **of)
    assert {row["currency"] for row in rows} == {"EUR"}
    return {row["account"]: Decimal(row["balance"]) for row in rows}


async def test_what_is_owed_by_the_ledger_is_what_documents_and_payments_say(
    traded: Scenario,
) -> None:
    invoices = await traded.get(f"/v1/tenants/{TENANT}/invoices")
    assert any(Decimal(row["credited"]) for row in invoices)
    found = await balances(traded, party=TENANT)
    assert found["receivable"] == sum(Decimal(row["open"]) for row in invoices)
    assert found["bank"] == sum(Decimal(row["paid"]) for row in invoices)
    documents = [
        row["document"] for row in await traded.service.sql("select document from invoice")
    ]
    signed = [(-1 if one["tipo_documento"] == "TD04" else 1, one["totals"]) for one in documents]
    assert found["revenue"] == -sum(sign * Decimal(sums["imponibile"]) for sign, sums in signed)
    assert found["vat"] == -sum(sign * Decimal(sums["imposta"]) for sign, sums in signed)
    assert found["unbilled"] == 0
    everybody = await balances(traded)
    assert everybody["reseller_payable"] < 0
    assert everybody["reseller_accrued"] < 0
    assert sum(everybody.values()) == 0
    assert await audited(traded, numbered=4) == []


async def test_earlier_documents_are_booked_as_new_ones_are(traded: Scenario) -> None:
    columns = "cause, cause_id, party, debit, credit, currency, amount, booked_on"
    query = f"select {columns} from transfer where cause <> 'charges' order by {columns}"
    booked = [tuple(row) for row in await traded.service.sql(query)]
    assert {row[0] for row in booked} == {"document", "payment", "commission", "settlement"}
    await traded.tamper("transfer", "delete from transfer where cause <> 'charges'")
    up = (MIGRATIONS / "0260_ledger.sql").read_text("utf-8").partition("-- What earlier builds")[2]
    statements = up.partition("-- What is final")[0].split(";\n")
    assert len(statements) == 5, "four kinds of transfers, and what follows the last of them"
    for statement in statements[:-1]:
        await traded.service.sql(
            statement.partition("\n")[2] if statement.startswith(" issued") else statement
        )
    again = [tuple(row) for row in await traded.service.sql(query)]
    settled_on = {row[-1] for row in booked if row[0] == "settlement"}
    assert len(settled_on) == 1
    assert again == booked
    assert await audited(traded, numbered=4) == []


async def test_the_final_tables_are_these(traded: Scenario) -> None:
    rows = await traded.service.sql(
        "select tgrelid::regclass::text as name from pg_trigger where tgname = 'final'"
    )
    assert {row["name"].rpartition(".")[2] for row in rows} == FINAL


@pytest.mark.parametrize(
    "how",
    ["update {0} set {1} = {1}", "delete from {0}", "truncate {0} cascade"],
    ids=["update", "delete", "truncate"],
)
@pytest.mark.parametrize("table", sorted(FINAL))
async def test_what_is_final_refuses_every_change_of_the_services_own_role(
    traded: Scenario, table: str, how: str
) -> None:
    before = await traded.service.sql(f"select count(*) from {table}")
    [column] = await traded.service.sql(
        """select attname as name from pg_attribute
        where attrelid = $1::regclass and attnum > 0 and attidentity = '' order by attnum limit 1""",
        table,
    )
    with pytest.raises(asyncpg.RestrictViolationError, match="is final"):
        await traded.service.sql(how.format(table, column["name"]))
    assert await traded.service.sql(f"select count(*) from {table}") == before


async def test_the_command_shows_accounts(traded: Scenario) -> None:
    code, said = await vicino("accounts", "--json", url=traded.url)
    assert (code, "reseller_payable" in said) == (0, True)
    code, said = await vicino("accounts", "--tenant", TENANT, url=traded.url)
    assert (code, "receivable" in said, "reseller" in said) == (0, True, False)
    code, said = await vicino("accounts", "--tenant", "NOBODY", url=traded.url)
    assert (code, "no tenant" in said) == (1, True)
    code, _ = await vicino("accounts", "--tenant", TENANT, "--reseller", "VAR-A", url=traded.url)
    assert code == 2


@pytest.mark.parametrize(
    ("currency", "price", "net"), [("KWD", "16.335", "16.335"), ("JPY", "1633", "1633")]
)
async def test_a_currency_of_three_or_no_decimals_is_kept_exactly(
    database: str, bootstrap: str, topic_prefix: str, currency: str, price: str, net: str
) -> None:
    content: dict[str, Any] = deepcopy(CATALOGUE) | {"currency": currency}
    [plan] = [plan for plan in content["plans"] if plan["sku"] == "ERP-CLOUD"]
    for one in plan["recurring"]:
        one["price"] = price
    async with open_scenario(database, bootstrap, topic_prefix) as scenario:
        await scenario.publish(catalogue(content), activated(ERP, "ERP-CLOUD", 0, base="1"))
        await run_until(scenario, "2026-11-01", "2026-12-01")
        rows = await scenario.service.sql(
            "select net from charge where kind = 'recurring' order by id"
        )
        assert {str(row["net"]) for row in rows} == {net}
        assert await audited(scenario, compared=5, numbered=2) == []
