"""Billing: what was invoiced. Amounts are net of IVA unless said otherwise, in the document's currency."""

from pydantic import Field

from schemas.envelope import Payload
from schemas.scalars import (
    Amount,
    CivilDate,
    Currency,
    Instant,
    Key,
    NonNegativeQuantity,
    ResellerOfInvoice,
    ShortText,
    Text,
    Uuid,
    Value,
)
from schemas.topics import BILLING


class InvoiceLine(Value):
    """One line. `period_to` is the inclusive last day, as FatturaPA wants it."""

    n: int
    sku: ShortText
    """`SKU/component`."""
    description: Text
    quantity: NonNegativeQuantity
    unit_price: Amount
    um: str | None
    net: Amount
    period_from: CivilDate
    period_to: CivilDate
    aliquota_iva: Amount
    natura: str | None = None
    commissionable: bool
    service_id: Uuid
    tipo_cessione: str | None = None
    """FatturaPA's TipoCessionePrestazione: `AB` for what a spending cap takes off."""


class TaxSummary(Value):
    """IVA of one (rate, natura) group, computed once on the sum of its rounded lines."""

    aliquota_iva: Amount
    natura: str | None = None
    imponibile: Amount
    imposta: Amount
    esigibilita: str = "I"
    """FatturaPA's EsigibilitaIVA: `I` at once, `S` split payment."""
    riferimento_normativo: Text | None = None
    """Why there is no IVA, or who pays it."""


class InvoiceTotals(Value):
    """Sums of a document."""

    riepilogo: tuple[TaxSummary, ...]
    imponibile: Amount
    imposta: Amount
    totale_documento: Amount
    da_pagare: Amount
    """What the buyer pays: with split payment, without the IVA."""
    bollo_virtuale: Amount | None = None
    """Stamp duty on the document. The provider bears it: it is in no total."""


class InvoiceReference(Value):
    """An issued document, as another one names it."""

    number: ShortText
    date: CivilDate


class InvoiceSkipped(Payload, type="vicino.invoice.skipped.v1", topic=BILLING):
    """What a tenant owed at a boundary came to nothing: its charges cancel each other out, and there is no document."""

    boundary: CivilDate
    charges: int = Field(ge=1)


class InvoiceParked(Payload, type="vicino.invoice.parked.v1", topic=BILLING):
    """The run of a tenant and boundary has failed for a minute. It is retried; other tenants' runs do not wait for it."""

    boundary: CivilDate
    since: Instant
    """When it was tried first."""
    explanation: Text


class InvoiceReleased(Payload, type="vicino.invoice.released.v1", topic=BILLING):
    """A parked run has succeeded. Its documents were published before this event."""

    boundary: CivilDate


class InvoiceHeld(Payload, type="vicino.invoice.held.v1", topic=BILLING):
    """A person holds the run of a tenant and boundary: it is not made until it is approved."""

    boundary: CivilDate
    reason: ShortText


class InvoiceApproved(Payload, type="vicino.invoice.approved.v1", topic=BILLING):
    """A held run goes on: it is made when it is due, at once if it was."""

    boundary: CivilDate


class SpendingCap(Value):
    """What some meters of a service may cost in a civil month, net of IVA."""

    service_id: Uuid
    meters: tuple[Key, ...] = Field(min_length=1)
    amount: Amount | None
    """None: the cap is lifted."""
    hard: bool = True
    """A hard cap is the most that is billed; a soft one only notifies."""
    since: CivilDate
    """The first day of the first month that it bounds."""


class CapSet(Payload, SpendingCap, type="vicino.cap.set.v1", topic=BILLING):
    """A spending cap was set, changed or lifted."""

    spent: Amount | None = None
    """What is spent of it in the running month; None: it begins with a later one."""


class CapReached(Payload, type="vicino.cap.reached.v1", topic=BILLING):
    """Half, four fifths or all of a spending cap is spent, as the month stands now. Published once a month for each share."""

    service_id: Uuid
    meters: tuple[Key, ...]
    month: CivilDate
    """Its first day."""
    amount: Amount
    hard: bool
    spent: Amount
    percent: int
    """50, 80 or 100."""
    reseller_id: ResellerOfInvoice


class CapForeseen(Payload, type="vicino.cap.foreseen.v1", topic=BILLING):
    """At this pace a spending cap will be passed before the month ends. Published once a month, not in its first three days."""

    service_id: Uuid
    meters: tuple[Key, ...]
    month: CivilDate
    """Its first day."""
    amount: Amount
    hard: bool
    spent: Amount
    forecast: Amount
    """What the meters will come to, without the cap."""
    reseller_id: ResellerOfInvoice


class TenantSpendingCap(Value):
    """What a tenant's services of a currency may cost in a civil month, fees and usage together, net of IVA."""

    currency: Currency
    amount: Amount | None
    """None: the cap is lifted."""
    hard: bool = True
    """A hard cap is the most that is billed, if the fees are below it; a soft one only notifies."""
    since: CivilDate
    """The first day of the first month that it bounds."""


class TenantCapSet(Payload, TenantSpendingCap, type="vicino.tenant.cap.set.v1", topic=BILLING):
    """A cap on a tenant's whole month was set, changed or lifted."""

    spent: Amount | None = None
    """What is spent of it in the running month, fees and usage; None: it begins with a later one."""


class TenantCapReached(Payload, type="vicino.tenant.cap.reached.v1", topic=BILLING):
    """Half, four fifths or all of a cap on the whole month is spent, as the month stands now. Once a month for each share."""

    currency: Currency
    month: CivilDate
    """Its first day."""
    amount: Amount
    hard: bool
    spent: Amount
    """The fees of the month and its usage so far."""
    percent: int
    """50, 80 or 100."""
    reseller_id: ResellerOfInvoice


class TenantCapForeseen(Payload, type="vicino.tenant.cap.foreseen.v1", topic=BILLING):
    """At this pace a cap on the whole month will be passed. Published once a month, not in its first three days."""

    currency: Currency
    month: CivilDate
    """Its first day."""
    amount: Amount
    hard: bool
    spent: Amount
    forecast: Amount
    """What fees and usage will come to, without the cap."""
    reseller_id: ResellerOfInvoice


class UsageRetracted(Payload, type="vicino.usage.retracted.v1", topic=BILLING):
    """A usage event that was counted counts no more. What was billed of it is given back by the next run."""

    source: ShortText
    id: ShortText
    """Source and id of the usage event."""
    sender: Key | None
    """Who sent it, as the door said; None: no door let it in."""
    happened_at: Instant
    service_id: Uuid
    meter: Key
    """The measured name."""
    reason: Text


class InvoiceIssued(Payload, type="vicino.invoice.issued.v1", topic=BILLING):
    """A document is final: it has its number and will never change. A credit note (`TD04`) has positive amounts."""

    invoice_id: Uuid
    number: ShortText
    date: CivilDate
    due: CivilDate
    tipo_documento: Key = "TD01"
    currency: Currency
    reseller_id: ResellerOfInvoice
    lines: tuple[InvoiceLine, ...]
    totals: InvoiceTotals
    corrects: InvoiceReference | None = None
    """Of a credit note: the invoice that is credited."""


class PriceAgreed(Payload, type="vicino.price.agreed.v1", topic=BILLING):
    """A tenant pays another price than the catalogue's for a unit of a component, from a month on."""

    sku: Key
    component: Key
    price: Amount
    since: CivilDate
    """The first day of the first month."""
    until: CivilDate | None
    """The first day on which it holds no more; None: without an end."""
    by: ShortText
    """Who agreed to it."""
    reason: ShortText


class ContractAgreed(Payload, type="vicino.contract.agreed.v1", topic=BILLING):
    """What a reseller earns of its tenants' documents from a day on, in per cent of their commissionable net."""

    reseller_id: Key
    since: CivilDate
    model: Key
    """`agency`: the provider invoices, and the reseller earns when it is paid. `resale`: it earns when the document is issued."""
    rate_percent: Amount
    first_year_uplift_percent: Amount
    """Beside the rate, in the first twelve months of a tenant."""


class CommissionLine(Value):
    """What a reseller earns of line `n` of a document."""

    n: int
    net: Amount
    """The reseller's part of the line."""
    base_commission: Amount
    uplift_commission: Amount


class CommissionAccrued(Payload, type="vicino.commission.accrued.v1", topic=BILLING):
    """What a reseller earns of a document; a credit note takes it back, and all amounts are negative."""

    invoice_id: Uuid
    number: ShortText
    date: CivilDate
    reseller_id: Key
    model: Key
    currency: Currency
    rate_percent: Amount
    uplift_percent: Amount
    net: Amount
    """Of the lines that are commissionable."""
    base_commission: Amount
    uplift_commission: Amount
    total: Amount
    lines: tuple[CommissionLine, ...]


class PaymentRecorded(Payload, type="vicino.payment.recorded.v1", topic=BILLING):
    """Money came for an invoice, or went back (negative)."""

    payment_id: Uuid
    invoice_id: Uuid
    number: ShortText
    reference: ShortText
    """The bank's own: the same one again is the same payment."""
    amount: Amount
    currency: Currency
    received_on: CivilDate
    open: Amount
    """What is still to be paid after it; negative: what is to be paid back."""


class InvoicePaid(Payload, type="vicino.invoice.paid.v1", topic=BILLING):
    """An invoice was paid in full for the first time, by payments and credit notes together."""

    invoice_id: Uuid
    number: ShortText
    paid_on: CivilDate
    reseller_id: ResellerOfInvoice


class InvoiceOverdue(Payload, type="vicino.invoice.overdue.v1", topic=BILLING):
    """An invoice was not paid in full by the day it was due. Told once."""

    invoice_id: Uuid
    number: ShortText
    due: CivilDate
    currency: Currency
    open: Amount
    reseller_id: ResellerOfInvoice


class SettlementLine(Value):
    """What became a reseller's own on a day."""

    number: ShortText
    """Of the invoice or credit note."""
    what: Key
    """`commission`, or `first_year_uplift`."""
    vested_on: CivilDate
    amount: Amount


class SettlementIssued(Payload, type="vicino.settlement.issued.v1", topic=BILLING):
    """What a reseller is paid for a quarter, line by line. Issued once."""

    reseller_id: Key
    quarter: Key
    """`2026-Q4`."""
    currency: Currency
    model: Key
    lines: tuple[SettlementLine, ...]
    vested: Amount
    carried_in: Amount
    """From the quarter before: never above zero."""
    due: Amount
    carried_out: Amount
