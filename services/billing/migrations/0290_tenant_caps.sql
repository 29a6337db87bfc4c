-- migrate:up
-- What a tenant's whole month may cost, fees and usage, from a month on. The last one for a currency holds.
create table tenant_cap (
    seq bigint generated always as identity primary key,
    tenant_id text not null,
    currency text not null,
    since date not null,
    amount numeric,
    is_hard boolean not null,
    spent numeric not null,
    stored_at timestamptz not null
);
create index tenant_cap_of_tenant on tenant_cap (tenant_id);
create trigger final before update or delete or truncate on tenant_cap execute function refuse_change();

-- Which share of such a cap was reported in a month.
create table tenant_cap_notice (
    tenant_id text not null,
    currency text not null,
    month date not null,
    percent int not null,
    primary key (tenant_id, currency, month, percent)
);

-- migrate:down
