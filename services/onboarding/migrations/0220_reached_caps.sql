-- migrate:up
-- While a hard cap is reached, services are suspended whose plans say so; and it is kept why a service is suspended.
create table reached_cap (
    tenant_id text not null,
    cap_hash bytea not null,
    service_id text,
    until timestamptz not null,
    primary key (tenant_id, cap_hash)
);
alter table service_instance add column suspended_because text;
alter table service_instance add column state_since timestamptz;
create index service_instance_tenant on service_instance (tenant_id);

-- migrate:down
drop index service_instance_tenant;
alter table service_instance drop column state_since;
alter table service_instance drop column suspended_because;
drop table reached_cap;
