"""Plays the life of a tenant through billing: facts and usage in, documents out, compared with what a vector expects.

A life is a JSON object: `facts` (`told`: the civil day on which one is reported; `on`: the day it takes effect), `usage`, and
`expect`.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import NAMESPACE_OID, uuid5
from zoneinfo import ZoneInfo

from schemas.billing import CommissionAccrued, InvoiceIssued
from schemas.envelope import Event
from schemas.tenants import ServiceChanged, TenantAssigned, TenantRegistered
from schemas.usage import UsageRecorded
from services.billing.domain.periods import civil_day, midnight, month_of
from tests.integration.billing.scenario import (
    TENANT,
    Scenario,
    activated,
    catalogue,
    fact,
    open_scenario,
)
from tests.support.catalogue import CATALOGUE

RESELLER = "VAR"
PROFILES = {"ordinario": "ordinary", "eu_reverse_charge": "reverse_charge_eu", "esente": "exempt"}
"""Other words that vectors may have for a tax profile."""
GRACE = timedelta(hours=49)
SUM_PARTS = 10
LINE_FIELDS = {
    "component": "sku", "quantity": "quantity", "unit_price": "unit_price", "net": "net", "from": "period_from",
    "to": "period_to", "vat": "aliquota_iva", "natura": "natura",
}  # fmt: skip
TOTAL_FIELDS = {
    "net": "imponibile",
    "vat": "imposta",
    "total": "totale_documento",
    "payable": "da_pagare",
    "stamp": "bollo_virtuale",
    "bollo": "bollo_virtuale",
    "bollo_virtuale": "bollo_virtuale",
}

Act = Callable[[Scenario], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing that a vector expects, and what came."""

    what: str
    expected: str
    actual: str

    @property
    def agrees(self) -> bool:
        """Whether it came as expected."""
        return self.expected == self.actual


async def play(
    life: Mapping[str, Any], database: str, bootstrap: str, prefix: str
) -> list[Compared]:
    """Live a life, from its first fact to its last boundary."""
    acts = sorted(_acts(life), key=lambda act: act[0])
    async with open_scenario(database, bootstrap, prefix, at=acts[0][0]) as scenario:
        for at, act in acts:
            scenario.clock.set(max(at, scenario.clock.now()))
            await act(scenario)
        issued = [event.data for event in await scenario.service.published(InvoiceIssued)]
        earned = {
            event.data.invoice_id: event.data
            for event in await scenario.service.published(CommissionAccrued)
        }
    return [one for wanted in life["expect"] for one in _compared(wanted, issued, earned)]


def service_id(life: Mapping[str, Any], name: str) -> str:
    """A service of a life."""
    return str(uuid5(NAMESPACE_OID, f"vector|{life['id']}|{name}"))


def _acts(life: Mapping[str, Any]) -> Iterator[tuple[datetime, Act]]:
    zone = ZoneInfo(life["tenant"]["zone"])
    told = [date.fromisoformat(found["told"]) for found in life["facts"]]
    first, last = min(told), max(told)
    yield midnight(first, zone), partial(_begin, life=life, at=midnight(first, zone))
    starts = [found for found in life["facts"] if "start" in found]
    for n, found in enumerate(life["facts"]):
        at = midnight(date.fromisoformat(found["told"]), zone) + timedelta(minutes=n + 1)
        if "start" in found or "change" in found:
            item = starts.index(found) if "start" in found else 0
            yield at, partial(_publish, events=[_fact(life, n, found, item, zone)])
        if "cap" in found:
            yield at, partial(_cap, life=life, found=found)
    for n, found in enumerate(life["usage"]):
        yield _usage(life, n, found, zone)
    ends = [date.fromisoformat(one["boundary"]) for one in life["expect"] if "boundary" in one]
    ends += [month_of(date.fromisoformat(one["to"])).end for one in life["expect"] if "to" in one]
    boundary = month_of(first).start
    while boundary <= max(*ends, month_of(last).end):
        yield midnight(boundary, zone) + GRACE, _settle
        boundary = month_of(boundary).end


async def _begin(scenario: Scenario, life: Mapping[str, Any], at: datetime) -> None:
    content = life.get("catalogue", CATALOGUE)
    plans = [{**plan, "setup": plan.get("setup", "0"), "provisioning": plan["provisioning"] or [{"driver": "postgres"}]}
             for plan in content["plans"]]  # fmt: skip
    tenant = life["tenant"]
    place = {
        "comune": "Modena",
        "provincia": "MO",
        "regione": "Emilia-Romagna",
        "lat": 44.65,
        "lon": 10.93,
    }
    country = tenant.get("country", "IT")
    address = {
        "street": "Via Roma 1",
        "cap": "41121" if country == "IT" else "00000",
        "comune": "Modena",
        "provincia": "MO" if country == "IT" else "EE",
        "country": country,
    }
    profile = tenant.get("tax_profile", "ordinary")
    details = TenantRegistered.model_validate(
        {"external_id": life["id"], "name": life["id"], "partita_iva": "00743110157", "codice_destinatario": "ABC1234",
         "address": address, "place": place, "language": "it", "vertical": "x", "size_class": "small",
         "timezone": tenant["zone"], "currency": tenant["currency"],
         "tax_profile": PROFILES.get(profile, profile)}
    )  # fmt: skip
    await scenario.publish(catalogue({**content, "plans": plans}), fact(details, "tenant"))
    if contract := life.get("reseller"):
        assigned = TenantAssigned(
            reseller_id=RESELLER, distance_km=Decimal(0), score=Decimal(0), ranking=()
        )
        await scenario.publish(fact(assigned, "assigned"))
        day = civil_day(at, ZoneInfo(tenant["zone"]))
        body = {"since": str(day), **contract}
        await _put(scenario, f"/v1/resellers/{RESELLER}/contract", body)


async def _publish(scenario: Scenario, events: list[Event[Any]]) -> None:
    await scenario.publish(*events)


async def _cap(scenario: Scenario, life: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    body = {
        "service_id": service_id(life, found["cap"]), "meters": found["meters"], "amount": found["amount"],
        "hard": found["hard"], "since": str(month_of(date.fromisoformat(found["on"])).start),
    }  # fmt: skip
    await _put(scenario, f"/v1/tenants/{TENANT}/caps", body)


async def _put(scenario: Scenario, path: str, body: Mapping[str, Any]) -> None:
    status, answer = await scenario.put(path, body)
    if status != HTTPStatus.NO_CONTENT:
        raise ValueError(f"{path} refused: {answer}")
    await scenario.service.settled()


async def _settle(scenario: Scenario) -> None:
    await scenario.service.settled()


def _fact(
    life: Mapping[str, Any], n: int, found: Mapping[str, Any], item: int, zone: ZoneInfo
) -> Event[Any]:
    at = midnight(date.fromisoformat(found["on"]), zone)
    if "start" in found:
        plans = life.get("catalogue", CATALOGUE)["plans"]
        plan = next(plan for plan in plans if plan["sku"] == found["sku"])
        sold = {price["meter"] for price in plan["recurring"]}
        quantities = {name: "1" if name == "base" else "0" for name in sold} | found["quantities"]
        return activated(service_id(life, found["start"]), found["sku"], item, at, **quantities)
    started = next(one for one in life["facts"] if one.get("start") == found["change"])
    changed = ServiceChanged.model_validate(
        {"service_id": service_id(life, found["change"]), "order_id": service_id(life, f"order {n}"), "sku": started["sku"],
         "quantities": {**started["quantities"], **found["quantities"]}, "changed": found["quantities"], "effective_at": at}
    )  # fmt: skip
    return fact(changed, f"changed-{n}")


def _usage(
    life: Mapping[str, Any], n: int, found: Mapping[str, Any], zone: ZoneInfo
) -> tuple[datetime, Act]:
    def event(k: int, at: datetime, **data: Any) -> Event[UsageRecorded]:
        said = {"service_id": service_id(life, found["service"]), "meter": found["meter"], **data}
        payload = UsageRecorded.model_validate(said)
        return Event(f"u{n}-{k}", "/vector", payload.wire_type, TENANT, at, payload)

    if "level" in found:
        at = datetime.fromisoformat(found["at"]).astimezone(UTC)
        told = midnight(date.fromisoformat(found["told"]), zone) if "told" in found else at
        return told + timedelta(hours=1), partial(
            _publish, events=[event(0, at, quantity=found["level"])]
        )
    month = month_of(date.fromisoformat(found["month"] + "-01"))
    start, end = midnight(month.start, zone), midnight(month.end, zone)
    told = midnight(date.fromisoformat(found["told"]), zone) if "told" in found else end
    count = int(found["distinct"]) if "distinct" in found else SUM_PARTS
    instants = [start + (end - start) * (2 * k + 1) / (2 * count) for k in range(count)]
    if "distinct" in found:
        events = [event(k, at, value=f"{n}-{k}") for k, at in enumerate(instants)]
    else:
        part = (Decimal(found["sum"]) / count).quantize(Decimal("0.01"))
        rest = Decimal(found["sum"]) - part * (count - 1)
        events = [event(k, at, quantity=str(part if k else rest)) for k, at in enumerate(instants)]
    return told + timedelta(hours=1), partial(_publish, events=events)


def _compared(
    wanted: Mapping[str, Any], issued: list[InvoiceIssued], earned: Mapping[str, CommissionAccrued]
) -> Iterator[Compared]:
    if "sum_of_nets" in wanted:
        first, last = date.fromisoformat(wanted["from"]), date.fromisoformat(wanted["to"])
        nets = [
            line.net if document.tipo_documento == "TD01" else -line.net
            for document in issued
            for line in document.lines
            if first <= line.period_from and line.period_to <= last
        ]
        yield Compared(
            f"{first} to {last}: all nets", wanted["sum_of_nets"], str(sum(nets, Decimal(0)))
        )
        return
    what = f"{wanted['type']} of {wanted['boundary']}"
    found = [
        document for document in issued
        if (str(document.date), document.tipo_documento) == (wanted["boundary"], wanted["type"])
    ]  # fmt: skip
    if len(found) != 1:
        yield Compared(what, "one document", f"{len(found)} documents")
        return
    yield from _of_document(what, wanted, found[0])
    if "commission" in wanted:
        accrued = earned.get(found[0].invoice_id)
        amounts = accrued.model_dump(mode="json") if accrued else {}
        actual = {name: _plain(amounts.get(name)) for name in wanted["commission"]}
        yield Compared(f"{what}, commission", str(_same(wanted["commission"])), str(actual))


def _of_document(
    what: str, wanted: Mapping[str, Any], document: InvoiceIssued
) -> Iterator[Compared]:
    said = document.model_dump(mode="json")
    lines = [
        {name: _plain(line[field]) for name, field in LINE_FIELDS.items()} for line in said["lines"]
    ]
    for n, line in enumerate(wanted.get("lines", [])):
        actual = lines[n] if n < len(lines) else {}
        shown = {name: actual.get(name) for name in line}
        yield Compared(f"{what}, line {n + 1}", str(_same(line)), str(shown))
    if "lines" in wanted:
        yield Compared(f"{what}, lines", str(len(wanted["lines"])), str(len(lines)))
    for line in map(_same, wanted.get("contains", [])):
        same = [{name: one[name] for name in line} for one in lines]
        alike = [one for one in same if one["component"] == line["component"]]
        yield Compared(f"{what}, contains", str(line), str(line if line in same else alike))
    for name, amount in wanted.get("totals", {}).items():
        yield Compared(
            f"{what}, {name}", str(_plain(amount)), str(_plain(said["totals"][TOTAL_FIELDS[name]]))
        )


def _same(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in line.items()}


def _plain(value: Any) -> Any:
    """An amount in one spelling; other values as they are."""
    try:
        return f"{Decimal(value).normalize():f}" if isinstance(value, str) else value
    except ArithmeticError:
        return value
