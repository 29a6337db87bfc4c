"""Tax documents: their lines with their IVA, and their sums, by how each tenant is taxed on the document's day."""

from collections.abc import Sequence
from datetime import date
from typing import TypeAlias

from schemas.billing import InvoiceLine, InvoiceTotals
from services.billing import store
from services.billing.domain.documents import Draft
from services.billing.domain.invoice import lines, totals
from services.billing.domain.tax import profile_on, rule_of
from services.billing.usecases.services_in_time import TenantRun
from services.chassis.database import Connection

TaxedDraft: TypeAlias = tuple[tuple[InvoiceLine, ...], InvoiceTotals]
"""The lines and sums of a document."""


async def tax_drafts(
    db: Connection, drafts: Sequence[tuple[TenantRun, Draft]], boundary: date
) -> list[TaxedDraft]:
    """The lines and sums of documents; what was stored after a run's `as_of` does not count for it."""
    asked = {run.tenant.id: store.AsOf(run.tenant.id, run.as_of) for run, _ in drafts}
    profiles = await store.tax_profiles_of(db, list(asked.values())) if asked else {}
    found: list[TaxedDraft] = []
    for run, draft in drafts:
        dated = draft.dated(boundary)
        rule = rule_of(profile_on(profiles[run.tenant.id], dated), dated)
        rows = lines([(one.service_id, one.charge) for one in draft.charges], rule)
        found.append((rows, totals(rows, rule, draft.currency)))
    return found
