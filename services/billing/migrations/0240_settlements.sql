-- migrate:up
-- What a reseller is paid for a quarter, in one currency: issued once, and never altered.
create table settlement (
    reseller_id text not null,
    quarter text not null,
    currency text not null,
    document jsonb not null,
    carried_out numeric not null,
    stored_at timestamptz not null,
    primary key (reseller_id, quarter, currency)
);

-- migrate:down
