-- migrate:up
-- What a reseller earns of the documents of its tenants, from a day on. The last one told for a day holds.
create table reseller_contract (
    seq bigint generated always as identity primary key,
    reseller_id text not null,
    since date not null,
    model text not null check (model in ('agency', 'resale')),
    rate_percent numeric not null,
    first_year_uplift_percent numeric not null,
    stored_at timestamptz not null
);
create index reseller_contract_reseller on reseller_contract (reseller_id);

-- Who serves a tenant, from a civil day on.
create table assignment (
    seq bigint generated always as identity primary key,
    tenant_id text not null,
    reseller_id text not null,
    since date not null,
    stored_at timestamptz not null
);
create index assignment_tenant on assignment (tenant_id);
insert into assignment (tenant_id, reseller_id, since, stored_at)
select id, reseller_id, date '2000-01-01', now() from tenant where reseller_id is not null order by id;

-- What a reseller earns of a line of a document; a credit note takes it back.
create table commission (
    invoice_id text not null,
    line int not null,
    reseller_id text not null,
    net numeric not null,
    base numeric not null,
    uplift numeric not null,
    primary key (invoice_id, line, reseller_id)
);

-- migrate:down
