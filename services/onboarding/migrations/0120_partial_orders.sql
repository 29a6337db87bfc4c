-- migrate:up

-- An order of which some items are done and others failed is `partial`.
alter table service_order drop constraint service_order_state_check;
alter table service_order add constraint service_order_state_check
    check (state in ('acknowledged', 'held', 'in_progress', 'completed', 'partial', 'failed'));

-- migrate:down
update service_order set state = 'failed' where state = 'partial';
alter table service_order drop constraint service_order_state_check;
alter table service_order add constraint service_order_state_check
    check (state in ('acknowledged', 'held', 'in_progress', 'completed', 'failed'));
