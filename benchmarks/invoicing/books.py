"""Billing's books before a run: tenants, a service each, a month of counted usage, made ready without being measured."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec

from benchmarks.invoicing.facts import (
    CALLS,
    CALLS_SQL,
    DOCUMENT_SQL,
    DOCUMENTS,
    HOURS,
    LEVEL_SQL,
    METERS,
    PLAN,
    SEATS,
    SKU,
    STORAGE,
    bounds,
)
from services.billing.job_kinds import invoice_run
from tests.support.furnishing import service_id, tenant_id

RESELLERS = 20


async def furnish_books(
    db: Any, tenants: int, month: date, zone: ZoneInfo, age_months: int
) -> None:
    """Put it all into billing's schema, as its own handlers would. Fees of earlier months are billed."""
    first = _months_before(month, age_months - 1)
    began = bounds(first, zone)[0].astimezone(UTC)
    start = bounds(month, zone)[0].astimezone(UTC)
    for meter in METERS:
        await db.execute(
            "insert into meter_version values ($1, 1, '1970-01-01Z', 1, $2)", meter["key"], _json(meter)
        )  # fmt: skip
    await db.execute("insert into catalogue_seen values (true, 1, 1)")
    for n in range(RESELLERS):
        await db.execute("insert into reseller values ($1)", f"VAR-{n}")
        await db.execute(
            "insert into reseller_contract (reseller_id, since, model, rate_percent, first_year_uplift_percent, stored_at) "
            "values ($1, '2020-01-01', 'agency', 18, 5, $2)", f"VAR-{n}", began,
        )  # fmt: skip
    await db.executemany(
        "insert into tenant (id, external_id, reseller_id) values ($1, $2, $3)",
        [(tenant_id(n), f"T{n}", f"VAR-{n % RESELLERS}") for n in range(tenants)],
    )
    await db.executemany(
        "insert into assignment (tenant_id, reseller_id, since, stored_at) values ($1, $2, $3, $4)",
        [(tenant_id(n), f"VAR-{n % RESELLERS}", first, began) for n in range(tenants)],
    )
    plan = _json(PLAN)
    await db.executemany(
        "insert into service values ($1, $2, $3, 0, $4, $5)",
        [(service_id(n), tenant_id(n), SKU, began, plan) for n in range(tenants)],
    )
    await db.executemany(
        "insert into quantity_fact (service_id, name, effective_at, quantity, stored_at) values ($1, $2, $3, $4, $3)",
        [(service_id(n), name, began, quantity) for n in range(tenants) for name, quantity in (("base", 1), ("seat", SEATS))],
    )  # fmt: skip
    await _usage(db, tenants, start)
    await _earlier(db, tenants, first, month)
    await db.execute("analyze")


async def _usage(db: Any, tenants: int, start: datetime) -> None:
    for key in (CALLS, DOCUMENTS, STORAGE):
        await db.executemany(
            "insert into series (tenant_id, service_id, meter, version, dimensions, group_hash) "
            "values ($1, $2, $3, 1, '{}', sha256('{}'))",
            [(tenant_id(n), service_id(n), key) for n in range(tenants)],
        )
    of = (
        "from series join (select id, row_number() over (order by id) - 1 as tenant from tenant) as t on t.id = series.tenant_id "
        f"cross join generate_series(0, {HOURS - 1}) as hour where meter = $2 order by no, hour"
    )
    at = "$1::timestamptz + hour * interval '1 hour'"
    await db.execute(
        f"insert into meter_bucket (series_no, starts, n, total) select no, {at}, 1, {CALLS_SQL} {of}", start, CALLS
    )  # fmt: skip
    await db.execute(
        f"insert into meter_bucket (series_no, starts, n) select no, {at}, 1 {of}", start, DOCUMENTS
    )
    await db.execute(
        f"insert into meter_bucket (series_no, starts, n) select no, {at}, 1 {of}", start, STORAGE
    )
    await db.execute(
        f"insert into meter_value (series_no, starts, value) select no, {at}, {DOCUMENT_SQL} {of}", start, DOCUMENTS
    )  # fmt: skip
    await db.execute(
        f"""insert into meter_level (series_no, at, "order", level) select no, {at}, '\\x00', {LEVEL_SQL} {of}""", start, STORAGE
    )  # fmt: skip


async def _earlier(db: Any, tenants: int, first: date, month: date) -> None:
    """Two fees of each month before, billed."""
    await db.execute(
        """insert into charge (invoice_id, tenant_id, service_id, kind, component, meter, description, quantity, unit_price, net,
                               day_from, day_to, units_billed)
           select null, tenant_id, service.id, 'recurring', $1 || '/' || code, code, code, units, price, units * price,
                  m::date, (m + interval '1 month')::date, units
           from service cross join generate_series($2::date, $3::date, interval '1 month') as m
           cross join (values ('base', 1, 49.00), ('seat', 3, 19.00)) as fee (code, units, price)""",
        SKU, first, month - timedelta(days=1),
    )  # fmt: skip


async def cap_all(db: Any, month: date) -> None:
    """A hard cap on the calls of every tenant, far above what they use."""
    await db.execute(
        """insert into spending_cap (tenant_id, service_id, meters, since, amount, is_hard, spent, stored_at)
           select tenant_id, id, array[$1], $2, 1000, true, 0, activated_at from service""", CALLS, month,
    )  # fmt: skip


async def plan_runs(db: Any, tenants: int, boundary: date) -> None:
    """Plan the run of every tenant, due now, in one transaction."""
    now = datetime.now(UTC)
    async with db.transaction():
        await db.executemany(
            "insert into invoice_run (tenant_id, boundary, as_of) values ($1, $2, $3)",
            [(tenant_id(n), boundary, now) for n in range(tenants)],
        )
        await db.executemany(
            "insert into job (id, kind, key, args, run_at) values ($1, $2, $3, $4, $5)",
            [
                (uuid4(), invoice_run.name, f"{tenant_id(n)}|{boundary}",
                 _json({"tenant_id": tenant_id(n), "boundary": str(boundary)}), now)
                for n in range(tenants)
            ],
        )  # fmt: skip


def _months_before(month: date, n: int) -> date:
    for _ in range(n):
        month = (month - timedelta(days=1)).replace(day=1)
    return month


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
