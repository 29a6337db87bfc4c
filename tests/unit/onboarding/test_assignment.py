"""The nearest fitting reseller: worked examples, and what must hold for any set of resellers."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import Place, ResellerProfile
from services.onboarding.domain.assignment import (
    Need,
    fitting,
    nearest,
    preferred_of,
    preferring,
    rank,
)

HERE = Path(__file__).parent
PARTIES = json.loads((HERE / "parties.json").read_text())
VECTORS = json.loads((HERE / "assignment.json").read_text())["vectors"]
TOWNS = {town["comune"]: Place.model_validate(town) for town in PARTIES["towns"]}
RESELLERS = [
    ResellerProfile(
        reseller_id=r["id"], name=r["name"], place=TOWNS[r["comune"]], languages=r["languages"], verticals=r["verticals"],
        certifications=r["certs"], capacity=r["capacity"], active=r["active"], tier=r["tier"],
    )
    for r in PARTIES["resellers"]
]  # fmt: skip
NEEDS = {
    t["id"]: Need(TOWNS[t["comune"]], t["language"], t["vertical"], frozenset(t["skus"]))
    for t in PARTIES["tenants"]
}


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["sme"] for vector in VECTORS])
def test_worked_rankings_come_out(vector: dict[str, Any]) -> None:
    ranking = rank(NEEDS[vector["sme"]], RESELLERS)
    shown = [candidate.shown() for candidate in fitting(ranking)]
    assert [(r.reseller_id, float(r.distance_km), float(r.score)) for r in shown][:3] == [
        (r["var"], r["km"], r["score"]) for r in vector["ranking"]
    ]
    assert (shown[0].reseller_id if shown else None) == vector["winner"]
    first, want = nearest(ranking)[0].shown(), vector["nearest_overall"]
    assert (first.reseller_id, float(first.distance_km), float(first.score), list(first.excluded)) == (
        want["var"], want["km"], want["score"], want["excluded"],
    )  # fmt: skip


@given(st.permutations(RESELLERS), st.sampled_from(sorted(NEEDS)))
def test_the_order_in_which_resellers_are_known_does_not_matter(
    resellers: list[ResellerProfile], tenant: str
) -> None:
    assert rank(NEEDS[tenant], resellers) == rank(NEEDS[tenant], RESELLERS)


@given(st.sampled_from(sorted(NEEDS)), st.integers(0, 200), st.integers(0, 200))
def test_a_full_reseller_is_never_fitting(tenant: str, capacity: int, active: int) -> None:
    changed = [r.model_copy(update={"capacity": capacity, "active": active}) for r in RESELLERS]
    assert all(
        c.reseller.active < c.reseller.capacity for c in fitting(rank(NEEDS[tenant], changed))
    )


@given(
    st.sampled_from(sorted(NEEDS)),
    st.sampled_from([r.reseller_id for r in RESELLERS] + [None, "VAR-NONE"]),
)
def test_a_preference_moves_one_that_fits_to_the_front_and_changes_nothing_else(
    tenant: str, preferred: str | None
) -> None:
    best_first = fitting(rank(NEEDS[tenant], RESELLERS))
    found = preferring(best_first, preferred)
    others = [c for c in best_first if c.reseller.reseller_id != preferred]
    named = [c for c in best_first if c.reseller.reseller_id == preferred]
    assert found == named + others


@given(st.lists(st.sampled_from([None, "A", "B"])))
def test_of_several_orders_the_first_that_names_somebody_counts(said: list[str | None]) -> None:
    named = [one for one in said if one]
    assert preferred_of(said) == (named[0] if named else None)
