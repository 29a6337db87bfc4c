"""A tenant's tax profile counts from its day on; a credit note is taxed as what it credits was."""

from collections.abc import AsyncIterator
from datetime import date

import pytest

from schemas.billing import InvoiceIssued
from schemas.envelope import Event
from schemas.tenants import TaxProfile, TaxProfileChanged, TenantRegistered
from tests.integration.billing.scenario import (
    MAIL,
    START,
    STORAGE,
    Scenario,
    activated,
    catalogue,
    day,
    fact,
    open_scenario,
    run_until,
    used,
)
from tests.support.catalogue import CATALOGUE


@pytest.fixture
async def scenario(database: str, bootstrap: str, topic_prefix: str) -> AsyncIterator[Scenario]:
    async with open_scenario(database, bootstrap, topic_prefix) as found:
        await found.publish(catalogue(CATALOGUE))
        yield found


def registered(profile: TaxProfile, country: str = "DE") -> Event[TenantRegistered]:
    place = {"comune": "Lindau", "provincia": "EE", "regione": "Bayern", "lat": 47.5, "lon": 9.7}
    address = {
        "street": "Am See 1",
        "cap": "00000",
        "comune": "Lindau",
        "provincia": "EE",
        "country": country,
    }
    return fact(TenantRegistered.model_validate(
        {"external_id": "SME", "name": "Mustermann GmbH", "partita_iva": "DE136695976", "codice_destinatario": "XXXXXXX",
         "address": address, "place": place, "language": "de", "vertical": "x", "size_class": "small", "tax_profile": profile}
    ), "registered")  # fmt: skip


async def documents(scenario: Scenario) -> list[tuple[str, str, str, str | None, str]]:
    return sorted(
        (str(event.data.date), event.data.number, str(event.data.totals.imposta), event.data.lines[0].natura,
         str(event.data.totals.da_pagare))
        for event in await scenario.service.published(InvoiceIssued)
    )  # fmt: skip


async def test_a_firm_elsewhere_in_the_eu_owes_its_tax_at_home(scenario: Scenario) -> None:
    await scenario.publish(registered(TaxProfile.REVERSE_CHARGE_EU))
    await scenario.publish(activated(MAIL, "MAIL-STD", 0, mailbox="20", pec_mailbox="0"))
    await scenario.service.settled()
    scenario.clock.set(day("2026-11-03", 2))
    await scenario.service.settled()
    [issued] = [event.data for event in await scenario.service.published(InvoiceIssued)]
    assert issued.number == "2026/E/000001"
    assert str(issued.totals.bollo_virtuale) == "2.00"
    assert issued.totals.riepilogo[0].riferimento_normativo is not None
    assert issued.totals.da_pagare == issued.totals.imponibile


async def test_a_credit_note_is_taxed_as_what_it_credits(scenario: Scenario) -> None:
    await scenario.publish(registered(TaxProfile.ORDINARY, "IT"))
    await scenario.publish(
        activated(MAIL, "MAIL-STD", 0, mailbox="1", pec_mailbox="0"),
        used("first", START, MAIL, STORAGE, quantity="110"),
    )
    await run_until(scenario, "2026-12-01")
    changed = TaxProfileChanged(tax_profile=TaxProfile.SPLIT_PAYMENT, since=date(2026, 12, 15))
    again = fact(registered(TaxProfile.ORDINARY, "IT").data, "registered again")
    await scenario.publish(
        fact(changed, "changed"),
        again,
        used("late", day("2026-11-01"), MAIL, STORAGE, quantity="10"),
    )
    await run_until(scenario, "2027-01-01")
    assert await documents(scenario) == [
        ("2026-11-01", "2026/A/000001", "0.86", None, "4.76"),
        ("2026-12-01", "2026/A/000002", "3.50", None, "19.40"),
        ("2027-01-01", "2027/A/000001", "0.86", None, "3.90"),
        ("2027-01-01", "2027/A/000002", "2.64", None, "14.64"),
    ]
