"""What an operator asks of money at the command line: each command works, as text and as JSON, and refuses in a line."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.billing import CapSet, InvoiceIssued
from services.billing.domain.periods import civil_day, midnight, month_of
from tests.integration.billing.scenario import (
    ERP,
    TENANT,
    Scenario,
    activated,
    catalogue,
    shared_scenario,
    used,
)
from tests.integration.billing.test_commission import assigned
from tests.integration.chassis.test_operators import vicino
from tests.support.catalogue import CATALOGUE, ROME
from tests.support.servers import Addresses

NOW = datetime.now(UTC)
START = midnight(month_of(month_of(civil_day(NOW, ROME)).start - timedelta(1)).start, ROME)
"""The first day of the month before this one: its usage is invoiced by now."""

GRACE = timedelta(hours=49)


@pytest.fixture(scope="module")
async def scenario(addresses: Addresses) -> AsyncIterator[Scenario]:
    """Billing as of now: commands go by the real clock. What one test sets, no other asks for."""
    async with shared_scenario(addresses, START + timedelta(1)) as found:
        await found.publish(catalogue({**CATALOGUE, "valid_from": START.isoformat()}), assigned("VAR-A"))  # fmt: skip
        await found.publish(
            activated(ERP, "ERP-CLOUD", 0, START, base="1", extra_user="1"),
            *(used(f"d{n}", START + timedelta(minutes=n), value=f"d-{n}") for n in range(105)),
        )
        end = midnight(month_of(civil_day(START, ROME)).end, ROME)
        found.clock.set(end + GRACE)
        await found.service.settled()
        found.clock.set(max(NOW, end + GRACE))
        yield found


async def asked(scenario: Scenario, *arguments: str) -> Any:
    code, said = await vicino(*arguments, "--json", url=scenario.url)
    assert code == 0, said
    return json.loads(said)


async def test_a_cap_is_set_shown_and_lifted(scenario: Scenario) -> None:
    code, said = await vicino("caps", "set", TENANT, ERP, "5.00", "--meter", "e_invoices", url=scenario.url)  # fmt: skip
    assert (code, said.strip()) == (0, "The cap is set.")
    [cap] = await asked(scenario, "caps", "show", TENANT)
    assert (cap["amount"], cap["hard"], cap["spent"]) == ("5.00", True, "0")
    code, said = await vicino("caps", "show", TENANT, url=scenario.url)
    assert (code, "5.00" in said) == (0, True)
    assert (await vicino("caps", "set", TENANT, ERP, "none", "--meter", "e_invoices", url=scenario.url))[0] == 0  # fmt: skip
    assert await asked(scenario, "caps", "show", TENANT) == []
    await scenario.service.settled()
    told = [event.data.amount for event in await scenario.service.published(CapSet)]
    assert [amount is None for amount in told] == [False, True]


async def test_a_cap_on_the_whole_month_is_set_shown_and_lifted(scenario: Scenario) -> None:
    code, said = await vicino("caps", "set", TENANT, "all", "500.00", url=scenario.url)
    assert (code, said.strip()) == (0, "The cap is set.")
    [cap] = await asked(scenario, "caps", "show", TENANT)
    assert (cap["service_id"], cap["amount"], cap["currency"]) == (None, "500.00", "EUR")
    code, said = await vicino("caps", "show", TENANT, url=scenario.url)
    assert (code, "all" in said, "500.00" in said) == (0, True, True)
    assert (await vicino("caps", "set", TENANT, "all", "none", url=scenario.url))[0] == 0
    assert await asked(scenario, "caps", "show", TENANT) == []


async def test_a_contract_is_agreed_and_shown(scenario: Scenario) -> None:
    since = str(civil_day(NOW + timedelta(days=40), ROME))
    arguments = ("contracts", "set", "VAR-A", "18", "--uplift", "5", "--since", since)
    assert await vicino(*arguments, url=scenario.url) == (0, "The contract is agreed.\n")
    assert await asked(scenario, "contracts", "show", "VAR-A") == [
        {"since": since, "model": "agency", "rate_percent": "18", "first_year_uplift_percent": "5"}
    ]


async def test_the_next_documents_are_previewed(scenario: Scenario) -> None:
    plain = await asked(scenario, "preview", TENANT)
    [document] = plain["documents"]
    assert [line["net"] for line in document["lines"]] == ["49.00", "19.00"]
    more = await asked(scenario, "preview", TENANT, "--change", f"{ERP}:extra_user=3", "--at", plain["boundary"])  # fmt: skip
    assert more["documents"][0]["totals"]["imponibile"] != document["totals"]["imponibile"]
    gone = await asked(scenario, "preview", TENANT, "--change", f"{ERP}:cancel", "--at", str(START.date()))  # fmt: skip
    assert "TD04" in [one["tipo_documento"] for one in gone["documents"]]
    rests = await asked(scenario, "preview", TENANT, "--change", f"{ERP}:suspend", "--at", str(START.date()))  # fmt: skip
    assert rests["documents"] == plain["documents"]  # nothing of this plan is paused
    both = await asked(scenario, "preview", TENANT, "--order", "MAIL-STD:mailbox=2")
    assert "MAIL-STD/mailbox" in [line["sku"] for line in both["documents"][0]["lines"]]
    code, said = await vicino("preview", TENANT, url=scenario.url)
    assert (code, "to pay 82.96" in said) == (0, True)


async def test_a_document_is_explained_and_the_books_are_audited(scenario: Scenario) -> None:
    issued = [event.data for event in await scenario.service.published(InvoiceIssued)][-1]
    whole = await asked(scenario, "explain", issued.number)
    assert [line["n"] for line in whole["lines"]] == [line.n for line in issued.lines]
    [line] = (await asked(scenario, "explain", f"{issued.number}/{len(issued.lines)}"))["lines"]
    assert (line["sku"], line["event_count"]) == ("ERP-CLOUD/e_invoices", 105)
    assert (await vicino("explain", issued.number, url=scenario.url))[0] == 0
    window = (
        "audit",
        "--from",
        str(civil_day(START, ROME)),
        "--to",
        str(civil_day(NOW, ROME) + timedelta(1)),
    )
    sound = await asked(scenario, *window)
    assert (sound["differences"], sound["compared"] > 5) == ([], True)
    await scenario.tamper("charge", "update charge set net = net + 1 where kind = 'usage'")
    code, said = await vicino(*window, url=scenario.url)
    await scenario.tamper("charge", "update charge set net = net - 1 where kind = 'usage'")
    assert code == 1
    assert f"{TENANT} lines = charges: {issued.number}" in said.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("caps", "show", "nobody"), 1, "no tenant has the id or external id nobody"),
        (("caps", "set", TENANT, ERP, "much", "--meter", "e_invoices"), 2, "amount: much is no number"),
        (("caps", "set", TENANT, ERP, "-5", "--meter", "e_invoices"), 2, "No such option"),
        (("caps", "set", TENANT, ERP, "5", "--meter", "unheard"), 1, "the plan of this service does not price unheard"),
        (("caps", "set", TENANT, "all", "1.00"), 1, "a cap takes off usage, not fees"),
        (("caps", "set", TENANT, ERP, "5"), 1, "name the meters of this service"),
        (("contracts", "set", "VAR-X", "18", "--since", "2027-01-01"), 1, "no such reseller"),
        (("contracts", "set", "VAR-A", "101", "--since", "2027-01-01"), 2, "from 0 to 100 per cent"),
        (("contracts", "set", "VAR-A", "18", "--since", "2001-01-01"), 1, "later than that"),
        (("preview", TENANT, "--change", f"{ERP}:seat=1"), 1, "not sold by this plan"),
        (("preview", TENANT, "--order", "NONE"), 1, "no plan of the catalogue has this SKU"),
        (("explain", "2020/A/000001"), 1, "no such invoice"),
        (("audit", "--from", "2026-11-01", "--to", "2026-12-01", "--tenant", "nobody"), 1, "no tenant has"),
    ],
    ids=["nobody", "no number", "below zero", "no meter", "below the fees", "no meters", "no reseller", "above all", "too late",
         "not sold", "no plan", "no document", "nobody's books"],
)  # fmt: skip
async def test_what_cannot_be_done_is_told_in_a_line(
    scenario: Scenario, arguments: tuple[str, ...], code: int, why: str
) -> None:
    found, said = await vicino(*arguments, url=scenario.url)
    assert (found, "Traceback" in said) == (code, False), said
    assert why in " ".join(said.replace("│", " ").split())


async def test_a_catalogue_is_checked_before_it_is_published(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    content = json.loads(json.dumps(CATALOGUE).replace("${BACKEND_URL}", "http://127.0.0.1:1"))
    good.write_text(json.dumps(content))
    content["plans"][0]["recurring"][0]["price"] = "-1"
    bad.write_text(json.dumps(content))
    assert await vicino("prices", "check", str(good), url="") == (0, "The door would take it.\n")
    code, said = await vicino("prices", "check", str(bad), url="")
    assert (code, said.split(": ")[:2]) == (1, ["/plans/0/recurring/0/price", "price_range"])
    assert json.loads((await vicino("prices", "check", str(bad), "--json", url=""))[1])[0]["reason"] == "price_range"  # fmt: skip
    bad.write_text("{")
    assert (await vicino("prices", "check", str(bad), url=""))[0] == 2
