-- migrate:up

-- An order that goes on once its tenant has a reseller waits for nobody: earlier builds left it held while it was planned.
update service_order set state = 'acknowledged'
where state = 'held' and exists (
    select from job where kind = 'plan_order' and job.state = 'waiting' and args ->> 'order_id' = service_order.id
);

-- migrate:down
