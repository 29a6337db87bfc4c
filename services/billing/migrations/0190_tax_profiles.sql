-- migrate:up
-- How a tenant's documents are taxed, from a civil day on. The last one told for a day holds; none: ordinary IVA.
create table tax_profile (
    seq bigint generated always as identity primary key,
    tenant_id text not null,
    since date not null,
    profile text not null,
    stored_at timestamptz not null
);
create index tax_profile_tenant on tax_profile (tenant_id);

-- migrate:down
