-- migrate:up
-- Services whose plan sells nothing by the month had no quantities, and were not billed: they are there from their start on, and
-- their months are rated by the next run.
insert into dirty_period (tenant_id, month)
select distinct tenant_id, date_trunc('month', activated_at at time zone tenant.zone)::date
from service join tenant on tenant.id = tenant_id
where not exists (select from quantity_fact where service_id = service.id)
on conflict do nothing;
insert into quantity_fact (service_id, effective_at, stored_at, name, quantity)
select id, activated_at, activated_at, 'base', 1 from service
where not exists (select from quantity_fact where service_id = service.id);

-- migrate:down
