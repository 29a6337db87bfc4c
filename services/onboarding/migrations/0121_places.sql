-- migrate:up

-- A tenant that came to nothing held its place at a reseller for ever. Places are those of tenants really placed.
update tenant set reseller_id = null, state = 'onboarding'
where reseller_id is not null and state <> 'active'
  and not exists (select from service_instance
                  where tenant_id = tenant.id and service_instance.state in ('provisioning', 'active', 'undoing'))
  and not exists (select from service_order
                  where tenant_id = tenant.id and service_order.state in ('acknowledged', 'held', 'in_progress'));
update reseller set assigned = (select count(*) from tenant where reseller_id = reseller.id);

-- migrate:down
select 1;
