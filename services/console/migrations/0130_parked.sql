-- migrate:up
-- Invoice runs that fail, until they go through.
create table parked_invoice (
    tenant_id text not null,
    boundary date not null,
    since timestamptz not null,
    explanation text not null,
    primary key (tenant_id, boundary)
);

-- migrate:down
drop table parked_invoice;
