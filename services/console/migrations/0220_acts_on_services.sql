-- migrate:up
-- A tenant's page shows what was done to its services too.
create index act_of_tenant on act (tenant_id, at desc);

-- migrate:down
drop index act_of_tenant;
