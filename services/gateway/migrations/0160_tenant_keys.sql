-- migrate:up

-- A key for each tenant, sealed under the master key. What is known of persons at the tenant is sealed under it, wherever it
-- is kept or sent: without this row nothing of it can be read any more. `key_id` is how sealed bytes name their key.
create table tenant_key (
    tenant_id text primary key,
    key_id bytea not null,
    sealed_key bytea not null,
    made_at timestamptz not null default now()
);

-- Refusals go by their age.
create index refusal_at on refusal (at);

-- migrate:down
drop index refusal_at;
drop table tenant_key;
