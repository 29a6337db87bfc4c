-- migrate:up

-- A person let an order go on: quotas do not stop it again.
alter table service_order add column released boolean not null default false;

-- Who ordered a service and when it was begun, to count what one sender begins in a day. Services of earlier builds count
-- for nobody.
alter table service_instance add column ordered_by text, add column begun_at timestamptz;
create index service_instance_ordered_by on service_instance (ordered_by, begun_at) where ordered_by is not null;
create index tenant_registered_by on tenant (registered_by, registered_at) where registered_by is not null;

-- migrate:down
drop index tenant_registered_by, service_instance_ordered_by;
alter table service_instance drop column begun_at, drop column ordered_by;
alter table service_order drop column released;
