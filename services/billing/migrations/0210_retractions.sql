-- migrate:up
-- Usage events that count no more: they were counted, and somebody took them back.
create table retraction (
    tenant_no int not null,
    key bytea not null,
    source text not null,
    event_id text not null,
    sender text,
    happened_at timestamptz not null,
    reason text not null,
    stored_at timestamptz not null,
    primary key (tenant_no, key)
);

-- migrate:down
