-- migrate:up
-- Runs that a person holds: they are not made until somebody approves them.
create table invoice_hold (
    tenant_id text not null,
    boundary date not null,
    reason text not null,
    held_at timestamptz not null,
    primary key (tenant_id, boundary)
);

-- migrate:down
