-- migrate:up

-- The revision orders everything that the operator registers.
create table registry (
    singleton boolean primary key default true check (singleton),
    revision bigint not null default 0
);
insert into registry default values;

create table plan (
    sku text primary key,
    revision bigint not null,
    plan jsonb not null
);

-- A reseller: where its webhooks go, and its technician (sealed: a person's data).
create table reseller (
    id text primary key,
    name text not null,
    webhook_url text not null,
    webhook_secret bytea not null,
    webhook_open boolean not null default true,
    contact bytea not null
);

create table backend (
    id text primary key,
    name text not null,
    skus jsonb not null
);

-- Keys by id; only a hash of the secret is kept. Two may be live at once, for rotation.
create table api_key (
    key_id text primary key,
    kind text not null check (kind in ('reseller', 'backend')),
    principal text not null,
    secret_hash bytea not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
create index api_key_principal on api_key (principal);

create table tenant (
    id text primary key,
    external_id text,
    name text,
    reseller_id text,
    contact bytea
);

create table service (
    id text primary key,
    tenant_id text not null,
    sku text not null
);

-- Orders let in, with the answer they got: the same order again gets the same answer.
create table accepted_order (
    principal text not null,
    source text not null,
    id text not null,
    content_hash bytea not null,
    answer jsonb not null,
    accepted_at timestamptz not null default now(),
    primary key (principal, source, id)
);

-- What was refused at the door, and why.
create table refusal (
    n bigint generated always as identity primary key,
    at timestamptz not null,
    principal text not null,
    source text,
    id text,
    index int not null,
    pointer text not null,
    reason text not null,
    detail text not null
);

-- The delivery log: what is to be told to whom, and what became of it. People's names are added when it is sent.
create table notification (
    id text primary key,
    recipient text not null,
    channel text not null check (channel in ('webhook', 'email')),
    about text not null,
    tenant_id text not null,
    alert_id text,
    event jsonb not null,
    state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
    attempts int not null default 0,
    last_answer text,
    created_at timestamptz not null,
    settled_at timestamptz
);
create index notification_recipient on notification (recipient, created_at);

-- migrate:down
drop table notification, refusal, accepted_order, service, tenant, api_key, backend, reseller, plan, registry;
