-- migrate:up
-- The newest services of a tenant with their changes of state: for pages, the query API and what resellers read alike.
create function services_of(tenant text) returns jsonb language sql stable as $$
    select coalesce(jsonb_agg(
        jsonb_build_object('service_id', s.id, 'sku', s.sku, 'state', s.state, 'quantities', s.quantities,
                           'effective_at', s.effective_at, 'explanation', s.explanation, 'states', (
            select coalesce(jsonb_agg(jsonb_build_object('state', f.state, 'effective_at', f.effective_at, 'reason', f.reason)
                                      order by f.seq), '[]')
            from (select * from service_state where service_id = s.id order by seq desc limit 50) as f))
        order by s.effective_at, s.sku, s.id), '[]')
    from (select * from service where tenant_id = tenant order by effective_at desc nulls first, id limit 200) as s
$$;

-- migrate:down
drop function services_of(text);
