-- migrate:up
-- Usage that somebody may still send: it counts against caps until it expires. A key is the caller's own.
create table reservation (
    tenant_id text not null,
    key text not null,
    service_id text not null,
    meter text not null,
    quantity numeric not null,
    allowed boolean not null,
    remaining numeric,
    expires_at timestamptz not null,
    stored_at timestamptz not null,
    primary key (tenant_id, key)
);

-- migrate:down
