-- migrate:up
-- What waits is measured every few seconds: tenants and orders for a person, services for the end of their undoing.
alter table service_instance add column undone_from timestamptz;
create index service_instance_undoing on service_instance (coalesce(undone_from, begun_at)) where state = 'undoing';
create index tenant_waiting on tenant (registered_at) where state = 'waiting';
create index service_order_held on service_order (accepted_at) where state = 'held';

-- migrate:down
drop index service_instance_undoing, tenant_waiting, service_order_held;
alter table service_instance drop column undone_from;
