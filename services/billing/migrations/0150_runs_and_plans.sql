-- migrate:up
-- A run may make no document, or several: what is due, and a credit note for each document that is credited.
create table invoice_run (
    tenant_id text not null,
    boundary date not null,
    primary key (tenant_id, boundary)
);
insert into invoice_run (tenant_id, boundary) select tenant_id, boundary from invoice;
alter table invoice drop constraint invoice_tenant_id_boundary_key;
alter table invoice add column tipo text not null default 'TD01';
alter table invoice add column corrects text references invoice (id);
create index invoice_tenant on invoice (tenant_id, boundary);
-- Charges that cancel each other out are on no document.
alter table charge alter column invoice_id drop not null;
create index charge_invoice on charge (invoice_id);

-- A service is sold under the catalogue in force when it starts, so each revision keeps its plans.
alter table plan add column valid_from timestamptz not null default '1970-01-01T00:00:00Z';
alter table plan drop constraint plan_pkey;
alter table plan add primary key (sku, revision);
alter table service add column currency text not null default 'EUR';

-- migrate:down
