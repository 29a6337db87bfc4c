-- migrate:up
-- Months that were invoiced and of which usage or quantities came afterwards: the next run rates them again.
create table dirty_period (
    tenant_id text not null,
    month date not null,
    primary key (tenant_id, month)
);

-- A run is planned first, with the instant up to which what was stored counts; how late it runs changes nothing.
alter table invoice_run add column as_of timestamptz not null default '-infinity';
alter table invoice_run add column is_done boolean not null default true;
alter table invoice_run alter column as_of drop default;
alter table invoice_run alter column is_done set default false;
alter table quantity_fact add column stored_at timestamptz not null default '-infinity';
alter table quantity_fact alter column stored_at drop default;

-- migrate:down
