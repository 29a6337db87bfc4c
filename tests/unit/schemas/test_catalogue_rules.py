"""Every field of meters and plans has its rule: what breaks it is refused at the door, with its place."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.catalogue import (
    CataloguePublished,
    Meter,
    Plan,
    Price,
    RecurringPrice,
    Tier,
    UsagePrice,
)
from schemas.catalogue_rules import DRIVERS
from schemas.reasons import Reason
from schemas.validation import reason_of
from services.chassis.names import Names
from services.gateway.operator_requests import CatalogueSpec
from services.onboarding.adapters.http import HttpDriver
from services.onboarding.app import drivers_there_are
from services.onboarding.domain.allowing import Allowed
from tests.support.catalogue import CATALOGUE

Spoil = Callable[[dict[str, Any]], None]


def catalogue() -> dict[str, Any]:
    """One that passes, with every kind of thing in it."""
    meters = [
        {"key": "calls", "name": "Calls", "aggregation": "sum", "unit": "n", "filter": {"env": ["live"]},
         "group_by": ["region", "town"], "event": "call", "value_property": "quantity", "decimals": 0},
        {"key": "docs", "name": "Documents", "aggregation": "unique_count", "unit": "n"},
    ]  # fmt: skip
    usage = [
        {"meter": "calls", "code": "calls", "label": "x", "unit": "n", "model": "graduated", "included": "5",
         "included_per": "seat",
         "tiers": [{"up_to": "10", "price": "1"}, {"up_to": "20", "price": "0.5"}, {"up_to": None, "price": "0"}]},
        {"meter": "docs", "code": "docs", "label": "x", "unit": "n", "model": "package", "price": "1", "package_size": "100"},
    ]  # fmt: skip
    recurring = [
        {"meter": key, "code": key, "label": "x", "unit": "n", "timing": "advance", "singular": "x", "plural": "xs",
         "price": "9.90"}
        for key in ("base", "seat")
    ]  # fmt: skip
    plan = {
        "sku": "X", "name": "X", "setup": "0", "recurring": recurring, "usage": usage, "heartbeat_seconds": 60,
        "provisioning": [{"driver": "postgres"}],
    }  # fmt: skip
    return {
        "valid_from": "2026-01-01T00:00:00Z",
        "currency": "EUR",
        "meters": meters,
        "plans": [plan],
    }


def put(pointer: str, value: Any) -> Spoil:
    """Set what a pointer leads to; `-` appends."""

    def spoil(found: dict[str, Any]) -> None:
        at: Any = found
        *parents, last = pointer.split("/")[1:]
        for part in parents:
            at = at[int(part) if isinstance(at, list) else part]
        if isinstance(at, list) and last == "-":
            at.append(value)
        else:
            at[int(last) if isinstance(at, list) else last] = value

    return spoil


def repeat(pointer: str) -> Spoil:
    """Put the first of a list there once more."""

    def spoil(found: dict[str, Any]) -> None:
        at: Any = found
        for part in pointer.split("/")[1:]:
            at = at[int(part) if isinstance(at, list) else part]
        at.append(copy.deepcopy(at[0]))

    return spoil


CALLS, PLAN, USAGE, SEAT = "/meters/0", "/plans/0", "/plans/0/usage/0", "/plans/0/recurring/1"
BAD: dict[str, tuple[Spoil, str]] = {
    "a dimension to group by named twice": (put(f"{CALLS}/group_by", ["region", "region"]), f"{CALLS}/group_by/1"),
    "too many dimensions to group by": (put(f"{CALLS}/group_by", list("abcdefghi")), f"{CALLS}/group_by"),
    "a dimension that is no key": (put(f"{CALLS}/group_by", ["a b"]), f"{CALLS}/group_by/0"),
    "an empty dimension": (put(f"{CALLS}/group_by", [""]), f"{CALLS}/group_by/0"),
    "a filter that nothing passes": (put(f"{CALLS}/filter", {"env": []}), f"{CALLS}/filter/env"),
    "a second filter that nothing passes": (put(f"{CALLS}/filter/zone", []), f"{CALLS}/filter/zone"),
    "a filter's value named twice": (put(f"{CALLS}/filter/env", ["a", "b", "a"]), f"{CALLS}/filter/env/2"),
    "a filter's empty value": (put(f"{CALLS}/filter/env", [""]), f"{CALLS}/filter/env/0"),
    "a filter of too many values": (put(f"{CALLS}/filter/env", [str(n) for n in range(101)]), f"{CALLS}/filter/env"),
    "a filter of too many dimensions": (put(f"{CALLS}/filter", {c: ["x"] for c in "abcdefghi"}), f"{CALLS}/filter"),
    "an unknown aggregation": (put(f"{CALLS}/aggregation", "average"), f"{CALLS}/aggregation"),
    "a count that measures": (put(f"{CALLS}/aggregation", "count"), f"{CALLS}/value_property"),
    "distinct quantities": (put(f"{CALLS}/aggregation", "unique_count"), f"{CALLS}/value_property"),
    "a value property that is no key": (put(f"{CALLS}/value_property", "a b"), f"{CALLS}/value_property"),
    "decimals below zero": (put(f"{CALLS}/decimals", -1), f"{CALLS}/decimals"),
    "too many decimals": (put(f"{CALLS}/decimals", 9), f"{CALLS}/decimals"),
    "an event that is no key": (put(f"{CALLS}/event", ""), f"{CALLS}/event"),
    "a meter's key that is none": (put("/meters/1/key", "-"), "/meters/1/key"),
    "a meter's empty name": (put(f"{CALLS}/name", ""), f"{CALLS}/name"),
    "a meter's long name": (put(f"{CALLS}/name", "x" * 201), f"{CALLS}/name"),
    "a meter's name with NUL": (put(f"{CALLS}/name", "a\x00"), f"{CALLS}/name"),
    "a meter's empty unit": (put(f"{CALLS}/unit", ""), f"{CALLS}/unit"),
    "a misspelt field of a meter": (put(f"{CALLS}/groupby", ["a"]), f"{CALLS}/groupby"),
    "a meter twice": (repeat("/meters"), "/meters/2/key"),
    "a SKU twice": (repeat("/plans"), "/plans/1/sku"),
    "a plan's key that is none": (put(f"{PLAN}/sku", "a/b"), f"{PLAN}/sku"),
    "a plan's empty name": (put(f"{PLAN}/name", ""), f"{PLAN}/name"),
    "a plan's empty set-up label": (put(f"{PLAN}/setup_label", ""), f"{PLAN}/setup_label"),
    "no plan": (put("/plans", []), "/plans"),
    "a set-up fee below zero": (put(f"{PLAN}/setup", "-1"), f"{PLAN}/setup"),
    "a set-up fee finer than a cent": (put(f"{PLAN}/setup", "150.005"), f"{PLAN}/setup"),
    "an average without decimals": (
        lambda found: found["meters"][0].update(aggregation="time_weighted", decimals=0), f"{CALLS}/decimals"
    ),
    "a set-up fee beyond all bounds": (put(f"{PLAN}/setup", "1000000001"), f"{PLAN}/setup"),
    "a suspension at a cap, perhaps": (put(f"{PLAN}/suspend_at_cap", "perhaps"), f"{PLAN}/suspend_at_cap"),
    "a heartbeat of no seconds": (put(f"{PLAN}/heartbeat_seconds", 0), f"{PLAN}/heartbeat_seconds"),
    "a heartbeat of a century": (put(f"{PLAN}/heartbeat_seconds", 2**31), f"{PLAN}/heartbeat_seconds"),
    "a trial of fewer than no days": (put(f"{PLAN}/trial_days", -1), f"{PLAN}/trial_days"),
    "a trial of more than a year": (put(f"{PLAN}/trial_days", 367), f"{PLAN}/trial_days"),
    "a trial of half a day": (put(f"{PLAN}/trial_days", 0.5), f"{PLAN}/trial_days"),
    "paused now and then": (put(f"{SEAT}/paused", "perhaps"), f"{SEAT}/paused"),
    "nothing to provision": (put(f"{PLAN}/provisioning", []), f"{PLAN}/provisioning"),
    "a misspelt field of a plan": (put(f"{PLAN}/usages", []), f"{PLAN}/usages"),
    "a misspelt field of a price": (put(f"{USAGE}/include", "1"), f"{USAGE}/include"),
    "a component sold twice": (repeat(f"{PLAN}/recurring"), f"{PLAN}/recurring/2/meter"),
    "a meter priced twice": (repeat(f"{PLAN}/usage"), f"{PLAN}/usage/2/meter"),
    "a code twice": (put(f"{USAGE}/code", "seat"), f"{USAGE}/code"),
    "the code of the set-up fee": (put(f"{USAGE}/code", "setup"), f"{USAGE}/code"),
    "a price of an unknown meter": (put(f"{USAGE}/meter", "unheard"), f"{USAGE}/meter"),
    "an empty label": (put(f"{USAGE}/label", ""), f"{USAGE}/label"),
    "a unit that no document shows": (put(f"{USAGE}/unit", "12345678901"), f"{USAGE}/unit"),
    "included per what is not sold": (put(f"{USAGE}/included_per", "docs"), f"{USAGE}/included_per"),
    "included per seat, but how much": (put(f"{USAGE}/included", None), f"{USAGE}/included"),
    "an allowance of nobody": (put(f"{USAGE}/included_scope", "world"), f"{USAGE}/included_scope"),
    "included below zero": (put(f"{USAGE}/included", "-1"), f"{USAGE}/included"),
    "an unknown price model": (put(f"{USAGE}/model", "free"), f"{USAGE}/model"),
    "no tiers": (put(f"{USAGE}/tiers", []), USAGE),
    "tiers and a price": (put(f"{USAGE}/price", "1"), USAGE),
    "tiers that fall": (put(f"{USAGE}/tiers/1/up_to", "9"), USAGE),
    "tiers that stand": (put(f"{USAGE}/tiers/1/up_to", "10"), USAGE),
    "no open tier": (put(f"{USAGE}/tiers/2/up_to", "30"), USAGE),
    "an open tier amid": (put(f"{USAGE}/tiers/1/up_to", None), USAGE),
    "a tier that holds nothing": (put(f"{USAGE}/tiers/0/up_to", "0"), f"{USAGE}/tiers/0/up_to"),
    "a tier's price below zero": (put(f"{USAGE}/tiers/1/price", "-0.5"), f"{USAGE}/tiers/1/price"),
    "too many tiers": (
        put(f"{USAGE}/tiers", [*({"up_to": str(n + 1), "price": "1"} for n in range(100)), {"up_to": None, "price": "1"}]),
        f"{USAGE}/tiers",
    ),
    "a package of nothing": (put(f"{PLAN}/usage/1/package_size", "0"), f"{PLAN}/usage/1"),
    "a minimum below zero": (put(f"{USAGE}/minimum", "-0.01"), f"{USAGE}/minimum"),
    "a minimum beyond all sums": (put(f"{USAGE}/minimum", "1000000000.01"), f"{USAGE}/minimum"),
    "half a cent at least": (put(f"{USAGE}/minimum", "1.005"), f"{USAGE}/minimum"),
    "a maximum below zero": (put(f"{USAGE}/maximum", "-1"), f"{USAGE}/maximum"),
    "half a cent at most": (put(f"{USAGE}/maximum", "1.005"), f"{USAGE}/maximum"),
    "more at least than at most": (
        lambda found: found["plans"][0]["usage"][0].update(minimum="2", maximum="1"), f"{USAGE}/minimum"
    ),
    "a share of more than all": (
        lambda found: found["plans"][0]["usage"][1].update(model="percentage", price="100.01", package_size=None),
        f"{PLAN}/usage/1/price",
    ),
    "half a package": (put(f"{PLAN}/usage/1/package_size", "0.5"), f"{PLAN}/usage/1/package_size"),
    "a package without size": (put(f"{PLAN}/usage/1/package_size", None), f"{PLAN}/usage/1"),
    "a price below zero": (put(f"{SEAT}/price", "-1"), f"{SEAT}/price"),
    "a price as a number": (put(f"{SEAT}/price", 9.9), f"{SEAT}/price"),
    "no price at all": (put(f"{SEAT}/price", None), SEAT),
    "a recurring price by package": (
        lambda found: found["plans"][0]["recurring"][1].update(model="package", package_size="5"), f"{SEAT}/model"
    ),
    "an unknown timing": (put(f"{SEAT}/timing", "never"), f"{SEAT}/timing"),
    "an empty noun": (put(f"{SEAT}/singular", ""), f"{SEAT}/singular"),
    "an empty plural": (put(f"{SEAT}/plural", ""), f"{SEAT}/plural"),
    "commissionable, or what": (put(f"{SEAT}/commissionable", "perhaps"), f"{SEAT}/commissionable"),
    "a currency that is none": (put("/currency", "XYZ"), "/currency"),
    "a currency of the past": (put("/currency", "ITL"), "/currency"),
    "a currency in small letters": (put("/currency", "eur"), "/currency"),
    "from the year 1 on": (put("/valid_from", "0001-01-01T00:00:00Z"), "/valid_from"),
    "from the year 1 on, in the east": (put("/valid_from", "0001-01-01T00:00:00+14:00"), "/valid_from"),
    "from the year 9999 on": (put("/valid_from", "9999-12-31T23:59:59-14:00"), "/valid_from"),
    "from a day without a zone on": (put("/valid_from", "2026-01-01T00:00:00"), "/valid_from"),
    "a misspelt field of the catalogue": (put("/meter", []), "/meter"),
}  # fmt: skip


def places(content: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        CatalogueSpec.model_validate(content)
    return [
        "".join(f"/{part}" for part in fault["loc"])
        for fault in refused.value.errors(include_context=False)
    ]


@pytest.mark.parametrize(("spoil", "pointer"), BAD.values(), ids=BAD)
def test_a_catalogue_that_breaks_a_rule_is_refused_with_the_place(
    spoil: Spoil, pointer: str
) -> None:
    content = catalogue()
    spoil(content)
    assert pointer in places(content)


REASONS = {
    Reason.TIERS: ["no tiers", "tiers and a price", "tiers that fall", "tiers that stand", "no open tier", "an open tier amid",
                   "a tier that holds nothing", "too many tiers", "no price at all"],
    Reason.SIZE: ["a package of nothing", "half a package", "a package without size"],
    Reason.PRICE_RANGE: ["a price below zero", "a tier's price below zero", "a set-up fee below zero",
                         "a set-up fee beyond all bounds", "a minimum below zero", "a minimum beyond all sums",
                         "a maximum below zero", "more at least than at most", "a share of more than all"],
    Reason.MINOR_UNIT: ["a set-up fee finer than a cent", "half a cent at least", "half a cent at most"],
    Reason.METER_TWICE: ["a meter twice", "a meter priced twice", "a component sold twice"],
    Reason.CODE_TWICE: ["a code twice", "the code of the set-up fee"],
    Reason.UNKNOWN_METER: ["a price of an unknown meter"],
    Reason.CURRENCY: ["a currency that is none", "a currency of the past", "a currency in small letters"],
    Reason.DECIMALS: ["an average without decimals", "decimals below zero", "too many decimals"],
    Reason.TEXT: ["a unit that no document shows", "an empty label", "an empty noun", "a meter's long name"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "name"), [(reason, name) for reason, names in REASONS.items() for name in names]
)
def test_a_rule_that_is_broken_says_which(reason: Reason, name: str) -> None:
    content = catalogue()
    spoil, pointer = BAD[name]
    spoil(content)
    with pytest.raises(ValidationError) as refused:
        CatalogueSpec.model_validate(content)
    found = {
        ("".join(f"/{part}" for part in fault["loc"]), reason_of(fault["type"], str(fault["loc"][-1])))
        for fault in refused.value.errors(include_context=False)
    }  # fmt: skip
    assert (pointer, reason) in found


@pytest.mark.parametrize(
    ("currency", "setup", "passes"),
    [("JPY", "150", True), ("JPY", "150.5", False), ("EUR", "150.05", True), ("KWD", "1.005", True), ("KWD", "1.0005", False)],
)  # fmt: skip
def test_amounts_are_whole_in_the_minor_unit_of_their_currency(
    currency: str, setup: str, passes: bool
) -> None:
    content = catalogue()
    content["currency"], content["plans"][0]["setup"] = currency, setup
    if passes:
        CatalogueSpec.model_validate(content)
    else:
        assert f"{PLAN}/setup" in places(content)


def test_good_catalogues_pass_and_readers_take_what_the_door_refuses_today() -> None:
    CatalogueSpec.model_validate(catalogue())
    CatalogueSpec.model_validate(
        json.loads(json.dumps(CATALOGUE).replace("${BACKEND_URL}", "http://127.0.0.1:1"))
    )
    stored = catalogue()
    put(f"{CALLS}/group_by", ["region", "region"])(stored)
    put(f"{CALLS}/filter", {"env": []})(stored)
    CataloguePublished.model_validate({"revision": 1, **stored})


def test_one_quantity_may_be_sold_as_two_components() -> None:
    content = catalogue()
    licence = content["plans"][0]["recurring"][1]
    content["plans"][0]["recurring"].append({**licence, "code": "support"})
    CatalogueSpec.model_validate(content)


def test_a_catalogue_too_large_for_a_message_is_refused() -> None:
    content = catalogue()
    content["meters"] += [
        {
            "key": f"m{n}",
            "name": "\N{PILE OF POO}" * 200,
            "aggregation": "sum",
            "unit": "\N{PILE OF POO}" * 200,
        }
        for n in range(900)
    ]
    assert places(content) == [""]


def test_all_faults_are_told_at_once() -> None:
    content = catalogue()
    put(f"{CALLS}/group_by", ["region", "region"])(content)
    put(f"{USAGE}/meter", "unheard")(content)
    assert set(places(content)) >= {f"{CALLS}/group_by/1", f"{USAGE}/meter"}


@pytest.mark.parametrize(
    ("model", "prefix"),
    [(Meter, "/meters/"), (Plan, PLAN), (UsagePrice, f"{PLAN}/usage/"), (RecurringPrice, f"{PLAN}/recurring/"),
     (Price, PLAN), (Tier, f"{USAGE}/tiers/")],
    ids=lambda found: getattr(found, "__name__", ""),
)  # fmt: skip
def test_every_field_has_a_bad_input(model: Any, prefix: str) -> None:
    """A field that is added needs its rule, and its line above."""
    tried = {part for _, pointer in BAD.values() for part in pointer.split("/")}
    spoken = {"tiers", "price", "package_size"}  # told at their price: they depend on one another
    assert set(model.model_fields) - tried - spoken == set(), prefix


STEPS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown driver": ({"driver": "ftp"}, "driver"),
    "a driver in capitals": ({"driver": "HTTP", "url": "http://a.example"}, "driver"),
    "no address": ({"driver": "http"}, "url"),
    "null for an address": ({"driver": "http", "url": None}, "url"),
    "an empty address": ({"driver": "http", "url": ""}, "url"),
    "a blank address": ({"driver": "http", "url": " "}, "url"),
    "another protocol": ({"driver": "http", "url": "ftp://a.example"}, "url"),
    "no host": ({"driver": "http", "url": "http:///x"}, "url"),
    "no protocol": ({"driver": "http", "url": "a.example"}, "url"),
    "a port out of range": ({"driver": "http", "url": "http://a.example:70000"}, "url"),
    "a password": ({"driver": "http", "url": "http://u:p@a.example"}, "url"),
    "a query": ({"driver": "http", "url": "http://a.example?x=1"}, "url"),
    "a line break": ({"driver": "http", "url": "http://a.example/\nx"}, "url"),
}


@pytest.mark.parametrize(("step", "field"), STEPS.values(), ids=STEPS.keys())
def test_a_step_without_what_its_driver_needs_is_refused_with_its_place(
    step: dict[str, Any], field: str
) -> None:
    spec = catalogue()
    spec["plans"][0]["provisioning"] = [{"driver": "postgres"}, step]
    with pytest.raises(ValidationError) as caught:
        CatalogueSpec.model_validate(spec)
    assert [fault["loc"] for fault in caught.value.errors()] == [
        ("plans", 0, "provisioning", 1, field)
    ]


def test_every_driver_that_a_catalogue_may_name_is_there_and_no_other() -> None:
    driver = HttpDriver(bytes(range(32)), Allowed(), Names())
    assert drivers_there_are(driver, driver).keys() == DRIVERS.keys()
