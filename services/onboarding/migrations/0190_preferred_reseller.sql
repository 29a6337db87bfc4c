-- migrate:up
-- By whom a firm wants to be served, as its order says.
alter table service_order add column preferred_reseller text;

-- migrate:down
alter table service_order drop column preferred_reseller;
