"""Tax a document: its lines with their IVA, and its sums, by how the tenant is taxed on its day."""

from datetime import date, datetime

from schemas.billing import InvoiceLine, InvoiceTotals
from services.billing import store
from services.billing.domain.documents import Draft
from services.billing.domain.invoice import lines, totals
from services.billing.domain.model import BilledTenant
from services.billing.domain.tax import profile_on, rule_of
from services.chassis.database import Connection


async def tax_document(
    db: Connection, tenant: BilledTenant, draft: Draft, boundary: date, as_of: datetime
) -> tuple[tuple[InvoiceLine, ...], InvoiceTotals]:
    """The lines and sums of a document; what was stored after `as_of` does not count."""
    dated = draft.dated(boundary)
    rule = rule_of(profile_on(await store.tax_profiles(db, tenant.id, as_of), dated), dated)
    found = lines([(one.service_id, one.charge) for one in draft.charges], rule)
    return found, totals(found, rule, draft.currency)
