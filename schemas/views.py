"""What a reseller reads of its tenants: the contract between the read model, which writes it, and the door, which shows it.

Each is a row of a list, or one object. Money and quantities are decimal strings, as in events.
"""

from pydantic import Field

from schemas.alerts import AlertKind, AlertState, Visit
from schemas.billing import InvoiceLine, InvoiceReference, InvoiceTotals, SettlementLine
from schemas.catalogue import Place
from schemas.orders import Address
from schemas.scalars import (
    Amount,
    CivilDate,
    Currency,
    Instant,
    Key,
    NonNegativeQuantity,
    ShortText,
    Text,
    Uuid,
    Value,
)
from schemas.signals import Severity


class StateView(Value):
    """From an instant on a service is in a state."""

    state: Key
    effective_at: Instant
    reason: ShortText | None = None


class ServiceView(Value):
    """A service instance as it stands now."""

    service_id: Uuid
    sku: Key | None
    state: Key
    """`active`, `suspended`, `ended`, `removed` (nothing of it is left), or `failed`."""
    quantities: dict[Key, NonNegativeQuantity]
    effective_at: Instant | None
    explanation: Text | None
    """Why it failed."""
    states: tuple[StateView, ...] = ()
    """Changes of state, also of times to come, as they became known."""
    meters: tuple[Key, ...] = ()
    """What `data.meter` of its usage may be."""


class OrderView(Value):
    """How far an order has come."""

    order_id: Uuid
    tenant_id: Uuid
    external_id: Key | None = None
    """Of the tenant; None while it is none."""
    name: ShortText | None = None
    reference: ShortText | None = None
    """None while no service has read it."""
    state: Key
    """`accepted` (no service has read it yet), `acknowledged`, `held` (a person must decide), `delayed` (it waits for a
    back-end), `scheduled` (it waits for its day), `in_progress`, `completed`, `partial`, `failed`, or `cancelled`."""
    accepted_at: Instant | None
    ended_at: Instant | None = None
    reason: Key | None = None
    explanation: Text | None = None


class TenantView(Value):
    """A tenant with its services and its newest order."""

    tenant_id: Uuid
    external_id: Key
    name: ShortText
    state: Key
    """`onboarding`, `waiting` (for a reseller), or `active`."""
    reseller_id: Key | None
    distance_km: NonNegativeQuantity | None
    assigned_by: Key | None
    """`policy`, `preference` (the order named the reseller), or `operator`."""
    partita_iva: ShortText
    codice_destinatario: ShortText
    address: Address
    place: Place
    language: ShortText
    vertical: ShortText
    size_class: ShortText
    timezone: ShortText
    currency: Currency
    services: tuple[ServiceView, ...]
    newest_order: OrderView | None


class AlertView(Value):
    """Trouble, and what became of it."""

    alert_id: Uuid
    tenant_id: Uuid
    external_id: Key | None
    name: ShortText | None
    state: AlertState
    kind: AlertKind
    severity: Severity
    service_id: Uuid
    sku: Key
    summary: Text
    opened_at: Instant
    acknowledge_by: Instant
    resolve_by: Instant | None
    visit: Visit
    notified_at: Instant | None
    acknowledged_at: Instant | None
    escalated_at: Instant | None
    resolved_at: Instant | None


class InvoiceView(Value):
    """A document, without its lines."""

    invoice_id: Uuid
    number: ShortText
    tipo_documento: Key = "TD01"
    tenant_id: Uuid
    external_id: Key | None
    name: ShortText | None
    date: CivilDate
    due: CivilDate
    currency: Currency
    totals: InvoiceTotals
    state: Key
    """`open`, `overdue`, `paid`, `overpaid`, or `credit` (a credit note)."""
    open: Amount | None
    """What is still to be paid of it; None of a credit note."""
    paid_on: CivilDate | None
    corrects: InvoiceReference | None = None


class WholeInvoiceView(InvoiceView):
    """A document with its lines."""

    lines: tuple[InvoiceLine, ...]


class UsageView(Value):
    """What was used of a meter of a service over a span."""

    service_id: Uuid
    meter: Key
    dimensions: dict[Key, ShortText] = Field(default_factory=dict)
    from_: Instant = Field(alias="from")
    to: Instant
    quantity: NonNegativeQuantity


class StatementView(Value):
    """What a reseller is paid for a quarter."""

    reseller_id: Key
    quarter: Key
    currency: Currency
    issued_at: Instant
    model: Key
    vested: Amount
    carried_in: Amount
    due: Amount
    carried_out: Amount
    lines: tuple[SettlementLine, ...]
