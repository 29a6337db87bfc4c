-- migrate:up

create table plan (
    sku text primary key,
    revision bigint not null,
    currency text not null,
    plan jsonb not null
);

create table meter (
    key text primary key,
    revision bigint not null,
    meter jsonb not null
);

-- A tenant as billing sees it. Counting a slice holds the row shared, closing an invoice holds it alone: an event is
-- either in the invoice of its period or comes after it, never between.
create table tenant (
    id text primary key,
    external_id text,
    zone text not null default 'Europe/Rome',
    currency text not null default 'EUR',
    reseller_id text,
    details jsonb,
    -- Not '-infinity', which drivers hand out as a time without a zone.
    closed_until timestamptz not null default '1970-01-01T00:00:00Z'
);

create table service (
    id text primary key,
    tenant_id text not null,
    sku text not null,
    item int not null,
    activated_at timestamptz not null,
    plan jsonb not null
);
create index service_tenant on service (tenant_id);

-- Quantities of a service from an instant on.
create table quantity_change (
    service_id text not null,
    effective_at timestamptz not null,
    seq bigint generated always as identity,
    quantities jsonb not null,
    primary key (service_id, effective_at, seq)
);

-- Usage, counted once: event_key is a hash of (tenant, source, id), payload_hash of what the event says.
create table usage_event (
    event_key uuid primary key,
    payload_hash bigint not null,
    tenant_id text not null,
    service_id text not null,
    meter text not null,
    occurred_at timestamptz not null,
    quantity numeric(38, 12),
    value text
);
create index usage_event_window on usage_event (service_id, meter, occurred_at);

-- Usage of a service not known yet: counted as soon as it is known.
create table parked_usage (
    event_key uuid primary key,
    payload_hash bigint not null,
    tenant_id text not null,
    service_id text not null,
    raw bytea not null,
    part int not null,
    log_id text not null,
    "offset" bigint not null,
    parked_at timestamptz not null default now()
);
create index parked_usage_service on parked_usage (service_id);

-- What became of every usage record, by partition so that slices do not wait for each other.
create table usage_tally (
    part int not null,
    outcome text not null check (outcome in ('counted', 'duplicate', 'rejected', 'parked')),
    reason text not null default '',
    n bigint not null,
    primary key (part, outcome, reason)
);

-- Gapless numbers: taken in the transaction that issues the document.
create table invoice_series (
    series text not null,
    year int not null,
    last_number bigint not null,
    primary key (series, year)
);

create table invoice (
    id text primary key,
    tenant_id text not null,
    boundary date not null,
    number text unique,
    issued_on date not null,
    document jsonb,
    unique (tenant_id, boundary)
);

-- The ledger. A charge belongs to the run that made it; invoice lines are charges with a number.
create table charge (
    id bigint generated always as identity primary key,
    invoice_id text not null references invoice (id),
    tenant_id text not null,
    service_id text not null,
    kind text not null check (kind in ('setup', 'recurring', 'usage')),
    component text not null,
    meter text not null,
    description text not null,
    quantity numeric(38, 12) not null check (quantity >= 0),
    unit_price numeric(23, 8) not null,
    net numeric(17, 2) not null,
    day_from date not null,
    day_to date not null,
    units_billed numeric(38, 12) not null,
    check (day_from < day_to)
);
create index charge_service on charge (service_id, kind);

-- migrate:down
drop table charge, invoice, invoice_series, usage_tally, parked_usage, usage_event, quantity_change, service, tenant, meter, plan;
