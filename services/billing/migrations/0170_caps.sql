-- migrate:up
-- What meters of a service may cost in each month from one on. The last one told for the same meters holds.
create table spending_cap (
    seq bigint generated always as identity primary key,
    tenant_id text not null,
    service_id text not null,
    meters text[] not null,
    since date not null,
    amount numeric,
    is_hard boolean not null,
    spent numeric not null,
    stored_at timestamptz not null
);
create index spending_cap_tenant on spending_cap (tenant_id);

-- Which share of a cap was told in a month.
create table cap_notice (
    tenant_id text not null,
    service_id text not null,
    meters_hash bytea not null,
    month date not null,
    percent int not null,
    primary key (tenant_id, service_id, meters_hash, month, percent)
);

alter table charge drop constraint charge_kind_check;
alter table charge add constraint charge_kind_check check (kind in ('setup', 'recurring', 'usage', 'cap'));

-- migrate:down
