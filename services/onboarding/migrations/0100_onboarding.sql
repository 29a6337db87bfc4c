-- migrate:up

-- How much of the catalogue stream is known here; an order judged by a later revision waits for it.
create table known_revision (
    singleton boolean primary key default true check (singleton),
    revision bigint not null default 0
);
insert into known_revision default values;

create table plan (
    sku text primary key,
    revision bigint not null,
    plan jsonb not null
);

-- Resellers, with the room they have left. `assigned` counts tenants placed here, `active_elsewhere` the others.
create table reseller (
    id text primary key,
    profile jsonb not null,
    capacity int not null,
    active_elsewhere int not null,
    assigned int not null default 0 check (assigned >= 0),
    revision bigint not null
);

create table tenant (
    id text primary key,
    external_id text not null,
    language text not null,
    vertical text not null,
    place jsonb not null,
    state text not null default 'onboarding' check (state in ('onboarding', 'waiting', 'active')),
    reseller_id text references reseller (id),
    registered_at timestamptz not null
);

create table service_order (
    id text primary key,
    tenant_id text not null,
    reference text not null,
    state text not null check (state in ('acknowledged', 'held', 'in_progress', 'completed', 'failed')),
    effective_at timestamptz not null,
    accepted_at timestamptz not null,
    revision bigint not null
);
create index service_order_tenant on service_order (tenant_id);

create table service_instance (
    id text primary key,
    tenant_id text not null,
    order_id text not null references service_order (id),
    sku text not null,
    quantities jsonb not null,
    plan jsonb not null,
    state text not null check (state in ('provisioning', 'active', 'undoing', 'failed')),
    steps_done int not null default 0 check (steps_done >= 0)
);

create table order_item (
    order_id text not null references service_order (id),
    n int not null,
    action text not null check (action in ('add', 'change')),
    sku text,
    service_id text not null,
    quantities jsonb not null,
    state text not null default 'pending' check (state in ('pending', 'done', 'failed')),
    fault text,
    primary key (order_id, n)
);

-- migrate:down
drop table order_item, service_instance, service_order, tenant, reseller, plan, known_revision;
