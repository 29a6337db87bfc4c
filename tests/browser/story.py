"""What the console has to show in a browser: the integration tests' story, and after it resellers, trouble, a document."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from schemas.alerts import AlertAcknowledged, AlertEscalated, AlertOpened, AlertResolved
from schemas.billing import (
    CapForeseen,
    CapReached,
    CapSet,
    InvoiceApproved,
    InvoiceHeld,
    InvoiceIssued,
    InvoiceOverdue,
    InvoiceParked,
    InvoiceReleased,
    PaymentRecorded,
    SettlementIssued,
    TenantCapReached,
    TenantCapSet,
)
from schemas.catalogue import ResellerRegistered
from schemas.deliveries import DeliveryFailed, DeliverySucceeded
from schemas.envelope import Event
from schemas.tenants import OrderCompleted, ProvisioningFailed, RankedReseller, TenantAssigned
from services.local.demo.world import PARTIES
from tests.integration.console.test_console import NOW, A, B
from tests.integration.console.test_console import story as story_of_two_tenants

NAME = "<script>alert(1)</script> & Co."
INVOICE = "33333333-3333-3333-3333-333333333333"
OPEN, ANSWERED, OVER, EARLY, UNHEARD_OF = (
    f"{n * 8}-{n * 4}-{n * 4}-{n * 4}-{n * 12}" for n in "45678"
)
ALERTS = (OPEN, ANSWERED, OVER, EARLY)
"""Those that have a page: of the fifth only its end is known."""


def story() -> list[Event[Any]]:
    """Everything, in order."""
    said = [*_resellers(), *_onboarding(), *_document(), *_trouble(), *_deliveries()]
    return [
        *story_of_two_tenants(),
        *(Event(f"b{n}", "/test", p.wire_type, s, NOW, p) for n, (s, p) in enumerate(said)),
    ]


def _resellers() -> list[tuple[str, Any]]:
    profiles = [
        {**{k: v for k, v in r.items() if k != "id"}, "reseller_id": r["id"]}
        for r in PARTIES["resellers"]
    ]
    return [
        ("catalogue", ResellerRegistered.model_validate({**profile, "revision": n}))
        for n, profile in enumerate(profiles, 1)
    ]


def _onboarding() -> list[tuple[str, Any]]:
    candidates = (
        ("VAR-TO-01", "1.5", "100", ()),
        ("VAR-MI-01", "126.0", "61.40", ("capacity", "certification")),
    )
    ranking = tuple(
        RankedReseller(
            reseller_id=name, distance_km=Decimal(km), score=Decimal(score), excluded=excluded
        )
        for name, km, score, excluded in candidates
    )
    assigned = TenantAssigned(
        reseller_id="VAR-TO-01", distance_km=Decimal("1.5"), score=Decimal(100), ranking=ranking
    )
    failed = ProvisioningFailed(
        service_id=B,
        order_id=A,
        sku="BACKUP-PRO",
        step="postgres",
        attempts=8,
        explanation="its back-end refused",
    )
    completed = OrderCompleted(
        order_id=A, reference="ORD-A", accepted_at=NOW - timedelta(minutes=4)
    )
    return [(A, assigned), (A, failed), (A, completed)]


def _document() -> list[tuple[str, Any]]:
    line = {
        "n": 1, "sku": "ERP-CLOUD/base", "description": "Canone gestionale, novembre 2026", "quantity": "1",
        "unit_price": "1234.50", "um": "mese", "net": "1234.50", "period_from": date(2026, 11, 1),
        "period_to": date(2026, 11, 30), "aliquota_iva": "22.00", "commissionable": True, "service_id": A,
    }  # fmt: skip
    summary = {"aliquota_iva": "22.00", "imponibile": "1234.50", "imposta": "271.59"}
    totals = {
        "riepilogo": [summary], "imponibile": "1234.50", "imposta": "271.59", "totale_documento": "1506.09",
        "da_pagare": "1506.09",
    }  # fmt: skip
    issued = InvoiceIssued.model_validate(
        {
            "invoice_id": INVOICE, "number": "VIC-2026-000001", "date": date(2026, 11, 30), "due": date(2026, 12, 31),
            "currency": "EUR", "reseller_id": "VAR-TO-01", "lines": [line], "totals": totals,
        }
    )  # fmt: skip
    return [(A, issued), *_credit(line, totals, summary), *_money()]


CREDIT = "99999999-0000-0000-0000-000000000002"


def _credit(
    line: dict[str, Any], totals: dict[str, Any], summary: dict[str, Any]
) -> list[tuple[str, Any]]:
    """A credit note to the invoice: ten euro and IVA, given back."""
    given = {
        **line,
        "unit_price": "10.00",
        "net": "10.00",
        "description": "Canone gestionale - conguaglio",
    }
    sums = {"imponibile": "10.00", "imposta": "2.20"}
    note = InvoiceIssued.model_validate(
        {
            "invoice_id": CREDIT, "number": "VIC-2026-000002", "date": date(2026, 12, 1), "due": date(2026, 12, 31),
            "currency": "EUR", "reseller_id": "VAR-TO-01", "lines": [given], "tipo_documento": "TD04",
            "totals": {**totals, **sums, "riepilogo": [{**summary, **sums}], "totale_documento": "12.20", "da_pagare": "12.20"},
            "corrects": {"number": "VIC-2026-000001", "date": date(2026, 11, 30)},
        }
    )  # fmt: skip
    return [(A, note)]


def _money() -> list[tuple[str, Any]]:
    """Half of the invoice is paid; a cap is nearly spent."""
    paid = PaymentRecorded.model_validate(
        {"payment_id": A, "invoice_id": INVOICE, "number": "VIC-2026-000001", "reference": "r", "amount": "700.00",
         "currency": "EUR", "received_on": date(2026, 12, 2), "open": "793.89"}
    )  # fmt: skip
    cap = {"service_id": A, "meters": ("minutes_mobile",), "hard": True, "amount": "50.00"}
    month = {"month": date(2026, 11, 1), "spent": "41.00", "reseller_id": "VAR-TO-01"}
    parked = {"boundary": date(2026, 12, 1), "since": NOW, "explanation": "no rate of exchange"}
    return [
        (A, paid),
        (B, InvoiceParked.model_validate(parked)),
        (A, InvoiceParked.model_validate({**parked, "explanation": "gone by now"})),
        (A, InvoiceReleased(boundary=date(2026, 12, 1))),
        (B, InvoiceHeld(boundary=date(2027, 1, 1), reason="price disputed")),
        (A, InvoiceHeld(boundary=date(2027, 1, 1), reason="approved by now")),
        (A, InvoiceApproved(boundary=date(2027, 1, 1))),
        (A, InvoiceOverdue.model_validate(
            {"invoice_id": INVOICE, "number": "VIC-2026-000001", "due": date(2026, 12, 31), "currency": "EUR",
             "open": "793.89", "reseller_id": "VAR-TO-01"})),
        ("VAR-TO-01", SettlementIssued.model_validate(
            {"reseller_id": "VAR-TO-01", "quarter": "2026-Q4", "currency": "EUR", "model": "agency", "vested": "56.32",
             "carried_in": "0", "due": "56.32", "carried_out": "0", "lines": [
                {"number": "VIC-2026-000001", "what": "commission", "vested_on": date(2026, 12, 3), "amount": "50.00"},
                {"number": "VIC-2026-000001", "what": "first_year_uplift", "vested_on": date(2026, 12, 3), "amount": "6.32"},
             ]})),
        (A, CapSet.model_validate({**cap, "since": date(2026, 11, 1)})),
        (A, CapReached.model_validate({**cap, **month, "percent": 80})),
        (A, CapForeseen.model_validate({**cap, **month, "forecast": "61.50"})),
        (A, TenantCapSet.model_validate({"currency": "EUR", "amount": "1500.00", "since": date(2026, 11, 1)})),
        (A, TenantCapReached.model_validate(
            {**month, "currency": "EUR", "amount": "1500.00", "hard": True, "spent": "1206.45", "percent": 80})),
    ]  # fmt: skip


def _opened(alert_id: str, summary: str, tenant_id: str = A) -> tuple[str, Any]:
    visit = {"eligible": True, "due_at": NOW + timedelta(hours=8), "distance_km": "1.5"}
    details = {
        "alert_id": alert_id, "kind": "incident", "severity": "P1", "service_id": A, "sku": "ERP-CLOUD",
        "reseller_id": "VAR-TO-01", "summary": summary, "opened_at": NOW, "resolve_by": None,
        "acknowledge_by": NOW + timedelta(minutes=15), "visit": visit,
    }  # fmt: skip
    return tenant_id, AlertOpened.model_validate(details)


def _trouble() -> list[tuple[str, Any]]:
    hands = {"reseller_id": "VAR-TO-01", "by": "tecnico"}
    escalated = {
        "alert_id": OPEN, "reseller_id": "VAR-TO-01", "service_id": A, "sku": "ERP-CLOUD", "summary": "no answer",
        "acknowledge_by": NOW + timedelta(minutes=15), "escalated_at": NOW + timedelta(minutes=15),
    }  # fmt: skip
    return [
        _opened(OPEN, "ERP-CLOUD has not reported itself for 5 minutes"),
        _opened(ANSWERED, "the warehouse cannot print its delivery notes"),
        _opened(OVER, "nobody can sign in"),
        _opened(EARLY, "heard of before its tenant", UNHEARD_OF),
        (A, AlertEscalated.model_validate(escalated)),
        (
            A,
            AlertAcknowledged.model_validate(
                {"alert_id": ANSWERED, "acknowledged_at": NOW, **hands}
            ),
        ),
        (
            A,
            AlertResolved.model_validate(
                {"alert_id": OVER, "resolved_at": NOW + timedelta(hours=1), **hands}
            ),
        ),
    ]


def _deliveries() -> list[tuple[str, Any]]:
    told = {"about": AlertOpened.wire_type, "recipient": "VAR-TO-01"}
    reached = {
        "notification_id": A,
        "alert_id": OPEN,
        "channel": "webhook",
        "attempts": 1,
        "delivered_at": NOW,
    }
    lost = {
        "notification_id": B,
        "alert_id": OVER,
        "channel": "email",
        "attempts": 8,
        "explanation": "no such mailbox",
    }
    return [
        (A, DeliverySucceeded.model_validate({**told, **reached})),
        (A, DeliveryFailed.model_validate({**told, **lost})),
    ]
