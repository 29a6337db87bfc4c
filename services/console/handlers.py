"""Which fact becomes which row."""

from schemas.alerts import (
    AlertAcknowledged,
    AlertEscalated,
    AlertOpened,
    AlertRaised,
    AlertResolved,
)
from schemas.billing import (
    CapForeseen,
    CapReached,
    CapSet,
    InvoiceIssued,
    InvoiceOverdue,
    InvoicePaid,
    InvoiceParked,
    InvoiceReleased,
    PaymentRecorded,
)
from schemas.catalogue import ResellerRegistered
from schemas.deliveries import DeliveryFailed, DeliverySucceeded
from schemas.tenants import (
    AssignmentNeeded,
    OrderAcknowledged,
    OrderCompleted,
    OrderDelayed,
    OrderFailed,
    OrderHeld,
    OrderPartiallyCompleted,
    ProvisioningFailed,
    ServiceActivated,
    ServiceChanged,
    TenantActivated,
    TenantAssigned,
    TenantRegistered,
)
from services.chassis.engine.records import on, routes
from services.console.projection import (
    alerts,
    caps,
    deliveries,
    invoices,
    orders,
    resellers,
    services,
    tenants,
)

ROUTES = routes(
    on(TenantRegistered, tenants.tenant_registered),
    on(TenantAssigned, tenants.tenant_assigned),
    on(AssignmentNeeded, tenants.assignment_needed),
    on(TenantActivated, tenants.tenant_activated),
    on(OrderAcknowledged, orders.order_acknowledged),
    on(OrderHeld, orders.order_held),
    on(OrderDelayed, orders.order_delayed),
    on(OrderCompleted, orders.order_completed),
    on(OrderPartiallyCompleted, orders.order_partially_completed),
    on(OrderFailed, orders.order_failed),
    on(ServiceActivated, services.service_activated),
    on(ServiceChanged, services.service_changed),
    on(ProvisioningFailed, services.provisioning_failed),
    on(ResellerRegistered, resellers.reseller_registered),
    on(InvoiceIssued, invoices.invoice_issued),
    on(InvoiceParked, invoices.invoice_parked),
    on(InvoiceReleased, invoices.invoice_released),
    on(PaymentRecorded, invoices.payment_recorded),
    on(InvoicePaid, invoices.invoice_paid),
    on(InvoiceOverdue, invoices.invoice_overdue),
    on(CapSet, caps.cap_set),
    on(CapReached, caps.cap_reached),
    on(CapForeseen, caps.cap_foreseen),
    on(AlertOpened, alerts.alert_opened),
    on(AlertRaised, alerts.alert_raised),
    on(AlertAcknowledged, alerts.alert_acknowledged),
    on(AlertEscalated, alerts.alert_escalated),
    on(AlertResolved, alerts.alert_resolved),
    on(DeliverySucceeded, deliveries.delivery_succeeded),
    on(DeliveryFailed, deliveries.delivery_failed),
)
