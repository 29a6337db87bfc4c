-- migrate:up
-- Every table can be dropped and built again from the topics. Handlers are upserts that any order of topics may call.

create table tenant (
    id text primary key,
    external_id text,
    name text,
    details jsonb,
    state text not null default 'onboarding',
    reseller_id text,
    distance_km numeric(8, 1),
    score numeric(8, 2),
    assigned_by text,
    ranking jsonb not null default '[]'
);

create table service_order (
    id text primary key,
    tenant_id text not null,
    reference text not null default '',
    state text not null,
    rank int not null,
    accepted_at timestamptz,
    ended_at timestamptz,
    reason text,
    explanation text
);
create index service_order_tenant on service_order (tenant_id);

create table service (
    id text primary key,
    tenant_id text not null,
    sku text,
    state text not null,
    quantities jsonb not null default '{}',
    effective_at timestamptz,
    explanation text
);
create index service_tenant on service (tenant_id);

create table reseller (
    id text primary key,
    revision bigint not null,
    profile jsonb not null
);

create table invoice (
    id text primary key,
    tenant_id text not null,
    number text not null,
    issued_on date not null,
    total numeric(17, 2) not null,
    document jsonb not null
);
create index invoice_tenant on invoice (tenant_id);

create table alert (
    id text primary key,
    tenant_id text,
    document jsonb,
    notified_at timestamptz,
    acknowledged_at timestamptz,
    escalated_at timestamptz,
    resolved_at timestamptz
);

create table delivery (
    id text primary key,
    tenant_id text not null,
    alert_id text,
    recipient text not null,
    channel text not null,
    about text not null,
    state text not null,
    attempts int not null,
    at timestamptz not null,
    explanation text
);

-- migrate:down
drop table delivery, alert, invoice, reseller, service, service_order, tenant;
