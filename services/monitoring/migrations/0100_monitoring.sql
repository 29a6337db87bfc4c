-- migrate:up

create table plan (
    sku text primary key,
    revision bigint not null,
    heartbeat_seconds int
);

create table reseller (
    id text primary key,
    provincia text not null
);

-- A tenant and who serves it; without a reseller, trouble goes to the operator at once.
create table tenant (
    id text primary key,
    reseller_id text,
    distance_km numeric(8, 1) not null default 0
);

create table service (
    id text primary key,
    tenant_id text not null,
    sku text not null,
    last_beat_at timestamptz
);

create table alert (
    id text primary key,
    fingerprint text not null,
    tenant_id text not null,
    service_id text not null,
    sku text not null,
    kind text not null,
    severity text not null,
    reseller_id text,
    summary text not null,
    state text not null check (state in ('open', 'acknowledged', 'escalated', 'resolved')),
    opened_at timestamptz not null,
    acknowledge_by timestamptz not null,
    notified_at timestamptz,
    escalated_at timestamptz
);
-- One open alert for the same trouble.
create unique index alert_open on alert (fingerprint) where state <> 'resolved';

-- migrate:down
drop table alert, service, tenant, reseller, plan;
