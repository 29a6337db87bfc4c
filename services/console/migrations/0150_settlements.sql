-- migrate:up
-- What resellers are paid for a quarter. Statements from before this migration appear when the read model is rebuilt.
create table settlement (
    reseller_id text not null,
    quarter text not null,
    currency text not null,
    issued_at timestamptz not null,
    document jsonb not null,
    primary key (reseller_id, quarter, currency)
);

-- migrate:down
