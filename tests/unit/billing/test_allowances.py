"""A pool is shared once, whoever uses it."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import UsagePrice
from services.billing.domain.allowances import MeteredUse, free_quantities

AMOUNTS = st.integers(0, 500).map(Decimal)


def use(
    used: Decimal, included: Decimal, scope: str, per: str | None, sku: str = "A"
) -> MeteredUse:
    price = UsagePrice.model_validate(
        {"meter": "m", "code": "gb", "label": "GB", "unit": "GB", "price": "1", "included": "1", "included_per": per,
         "included_scope": scope}
    )  # fmt: skip
    return MeteredUse(sku, price, used, included)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=6))
def test_a_pool_per_unit_is_all_that_its_services_bring(
    uses: list[tuple[Decimal, Decimal]],
) -> None:
    free = free_quantities([use(used, brings, "tenant", "box") for used, brings in uses])
    used, pool = sum(used for used, _ in uses), sum(brings for _, brings in uses)
    assert sum(free) == min(used, pool)
    assert all(part <= used for part, (used, _) in zip(free, uses, strict=True))


@given(st.lists(AMOUNTS, min_size=1, max_size=6), AMOUNTS)
def test_a_flat_pool_is_there_once(uses: list[Decimal], flat: Decimal) -> None:
    free = free_quantities([use(used, flat, "tenant", None) for used in uses])
    assert sum(free) == min(sum(uses), flat)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=6))
def test_services_without_a_pool_keep_what_is_theirs(uses: list[tuple[Decimal, Decimal]]) -> None:
    free = free_quantities([use(used, own, "service", None) for used, own in uses])
    assert free == [own for _, own in uses]


def test_pools_of_two_plans_are_two_pools() -> None:
    one, other = (
        use(Decimal(5), Decimal(3), "tenant", None),
        use(Decimal(5), Decimal(2), "tenant", None, "B"),
    )
    assert free_quantities([one, other]) == [3, 2]  # fmt: skip
