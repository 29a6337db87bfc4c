-- migrate:up
-- What a tenant's whole month may cost, and the newest share that was reported as spent.
create table tenant_cap (
    tenant_id text not null,
    currency text not null,
    amount numeric not null,
    hard boolean not null,
    since date not null,
    month date,
    percent int,
    spent numeric,
    forecast numeric,
    primary key (tenant_id, currency)
);

-- migrate:down
