-- migrate:up
-- What a reseller reads is found by its tenants.
create index tenant_of_reseller on tenant (reseller_id, external_id, id);
create index alert_of_tenant on alert (tenant_id);

-- migrate:down
drop index tenant_of_reseller, alert_of_tenant;
