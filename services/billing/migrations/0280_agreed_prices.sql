-- migrate:up
-- Prices agreed with one tenant. Of those that begin on the same day, the last one counts.
create table agreed_price (
    seq bigint generated always as identity primary key,
    tenant_id text not null,
    sku text not null,
    code text not null,
    since date not null,
    until date,
    price numeric not null check (price >= 0),
    agreed_by text not null,
    reason text not null,
    stored_at timestamptz not null,
    check (until > since)
);
create index agreed_price_of_tenant on agreed_price (tenant_id);
create trigger final before update or delete or truncate on agreed_price execute function refuse_change();

-- migrate:down
