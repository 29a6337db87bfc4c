"""Show a tenant's spending caps, and what is spent of each this month: of meters of a service, then of the whole month."""

from datetime import datetime
from typing import Any

from schemas.currencies import minor_unit
from schemas.scalars import plain
from services.billing import store
from services.billing.domain.caps import in_force
from services.billing.domain.money import half_up
from services.billing.domain.periods import civil_day, month_of
from services.billing.domain.tenant_caps import tenant_caps_of
from services.billing.usecases.query_usage import NotKnown
from services.billing.usecases.rate_usage import spent_of
from services.billing.usecases.watch_caps import bounded_to_date, rated_to_date
from services.chassis.database import Connection


async def show_caps(db: Connection, tenant_id: str, now: datetime) -> list[dict[str, Any]]:
    """Each cap in force this month. Raises `NotKnown` for a tenant that is not there."""
    tenant = await store.tenant(db, tenant_id)
    if tenant is None:
        raise NotKnown("no such tenant")
    month = month_of(civil_day(now, tenant.zone)).start
    caps = in_force(await store.caps(db, tenant_id, now), month)
    rated = await rated_to_date(db, tenant, now) if caps else []
    of_meters = [
        {"service_id": cap.service_id, "meters": cap.meters, "amount": plain(allowed), "hard": cap.is_hard,
         "since": cap.since, "spent": plain(spent_of(cap, rated))}
        for cap in caps
        if (allowed := cap.amount_of(month)) is not None
    ]  # fmt: skip
    whole = tenant_caps_of(await store.tenant_caps(db, tenant.id, now), month)
    bounded = await bounded_to_date(db, tenant, now) if whole else None
    return of_meters + [
        {"service_id": None, "meters": [], "amount": plain(cap.amount_of(month)), "hard": cap.is_hard, "since": cap.since,
         "spent": plain(half_up(bounded.spent_of(currency), minor_unit(currency))), "currency": currency}
        for currency, cap in whole.items() if bounded is not None
    ]  # fmt: skip
