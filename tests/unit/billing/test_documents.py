"""From charges to documents: nothing is lost, nothing is negative, nothing is credited beyond what it was."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.billing.domain.charges import Charge, ChargeKind
from services.billing.domain.documents import (
    Billing,
    DocumentType,
    Original,
    ServiceCharge,
    documents,
)
from services.billing.domain.periods import month_of

NOVEMBER = month_of(date(2026, 11, 1))


def charge(
    net: str | Decimal, component: str = "A/x", kind: ChargeKind = ChargeKind.RECURRING
) -> ServiceCharge:
    amount = Decimal(net)
    made = Charge(
        kind,
        component,
        "m",
        "text",
        Decimal(1),
        amount,
        None,
        amount,
        NOVEMBER,
        commissionable=True,
    )
    return ServiceCharge("s", made, "EUR")  # fmt: skip


def original(n: int, left: str | Decimal, *components: str) -> Original:
    billed = frozenset(Billing("s", component, NOVEMBER.start) for component in components)
    return Original(f"i{n}", f"2026/A/{n:06d}", date(2026, 11, n), "EUR", Decimal(left), billed)


NETS = st.integers(-300, 300).filter(bool).map(lambda cents: Decimal(cents).scaleb(-2))
COMPONENTS = st.sampled_from(["A/x", "A/y", "B/z"])
KINDS = st.sampled_from([ChargeKind.RECURRING, ChargeKind.USAGE])


@given(
    st.lists(st.tuples(NETS, COMPONENTS, KINDS), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(1, 2400), COMPONENTS), min_size=1, max_size=4),
)
def test_documents_say_exactly_what_the_charges_come_to(
    charged: list[tuple[Decimal, str, ChargeKind]], billed: list[tuple[int, str]]
) -> None:
    charges = [charge(*one) for one in charged]
    originals = [
        original(n, Decimal(cents).scaleb(-2), component)
        for n, (cents, component) in enumerate(billed, 1)
    ]
    enough = original(9, "24.00", "A/x", "A/y", "B/z")
    made = documents(charges, [*originals, enough])
    total = Decimal(0)
    for draft in made.drafts:
        net = sum((one.charge.net for one in draft.charges), Decimal(0))
        assert net > 0
        if draft.type is DocumentType.CREDIT_NOTE:
            assert draft.corrects is not None
            assert net <= draft.corrects.left
            assert all(one.charge.net > 0 for one in draft.charges)
        total += sum((one.charge.net for one in draft.ledger), Decimal(0))
    total += sum((one.charge.net for one in made.unbilled), Decimal(0))
    assert total == sum((one.charge.net for one in charges), Decimal(0))
    assert sum((one.charge.net for one in made.unbilled), Decimal(0)) == 0


def test_fewer_units_are_a_storno_line_of_the_next_invoice() -> None:
    made = documents([charge("-3.00"), charge("49.00", "B/z")], [original(1, "49.00", "A/x")])
    assert [(draft.type, len(draft.charges)) for draft in made.drafts] == [("TD01", 2)]


def test_less_usage_than_was_billed_is_credited_to_the_document_that_billed_it() -> None:
    used = charge("-3.00", kind=ChargeKind.USAGE)
    made = documents(
        [used, charge("49.00", "B/z")], [original(2, "60.00", "B/z"), original(1, "49.00", "A/x")]
    )
    assert [draft.type for draft in made.drafts] == ["TD01", "TD04"]
    note = made.drafts[1]
    assert note.corrects is not None
    assert (note.corrects.number, str(note.charges[0].charge.net)) == ("2026/A/000001", "3.00")  # fmt: skip


def test_a_credit_goes_to_the_document_that_billed_that_month() -> None:
    other = Original(
        "i2", "2026/A/000002", date(2026, 12, 1), "EUR", Decimal(60),
        frozenset([Billing("s", "A/x", date(2026, 12, 1))]),
    )  # fmt: skip
    made = documents([charge("-3.00")], [other, original(1, "49.00", "A/x")])
    (note,) = made.drafts
    assert note.corrects is not None
    assert note.corrects.number == "2026/A/000001"


def test_what_a_cap_takes_off_later_is_credited_to_the_document_of_that_month() -> None:
    other = Original(
        "i2", "2026/A/000002", date(2026, 12, 1), "EUR", Decimal(60),
        frozenset([Billing("s", "A/x", date(2026, 12, 1))]),
    )  # fmt: skip
    beyond = charge("-3.00", "A/cap", ChargeKind.CAP)
    (note,) = documents([beyond], [other, original(1, "49.00", "A/x")]).drafts
    assert note.corrects is not None
    assert note.corrects.number == "2026/A/000001"


def test_what_cancels_out_has_no_document() -> None:
    made = documents([charge("3.00"), charge("-3.00")], [original(1, "49.00", "A/x")])
    assert made.drafts == ()
    assert len(made.unbilled) == 2
