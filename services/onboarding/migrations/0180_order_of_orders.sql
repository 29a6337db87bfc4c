-- migrate:up
-- Orders of one slice are accepted at one instant: their number tells which came first.
alter table service_order add column seq bigint;
update service_order set seq = numbered.seq
from (select id, row_number() over (order by accepted_at, id) as seq from service_order) as numbered
where numbered.id = service_order.id;
alter table service_order alter column seq set not null;
alter table service_order alter column seq add generated always as identity;
select setval(pg_get_serial_sequence('service_order', 'seq'), coalesce(max(seq), 0) + 1, false) from service_order;

-- migrate:down
alter table service_order drop column seq;
