-- migrate:up
-- Orders suspend, resume and end services; items wait for the day on which they take effect; orders are cancelled.
alter table order_item drop constraint order_item_action_check;
alter table order_item add constraint order_item_action_check check (action in ('add', 'change', 'suspend', 'resume', 'end'));
alter table order_item add column begins_at timestamptz;
create index order_item_later on order_item (service_id) where begins_at is not null;

alter table service_instance drop constraint service_instance_state_check;
alter table service_instance add constraint service_instance_state_check
    check (state in ('provisioning', 'active', 'suspended', 'ended', 'removed', 'undoing', 'failed'));
alter table service_instance add column ended_at timestamptz;
alter table service_instance add column ended_by text references service_order (id);
alter table service_instance add column retained_until timestamptz;
alter table service_instance add constraint service_instance_ended_check
    check ((state in ('ended', 'removed')) = (ended_at is not null and ended_by is not null and retained_until is not null));
create index service_instance_retained on service_instance (retained_until) where state = 'ended';

alter table service_order drop constraint service_order_state_check;
alter table service_order add constraint service_order_state_check
    check (state in ('acknowledged', 'held', 'in_progress', 'pending_cancellation', 'completed', 'partial', 'failed', 'cancelled'));

-- migrate:down
alter table service_order drop constraint service_order_state_check;
alter table service_order add constraint service_order_state_check
    check (state in ('acknowledged', 'held', 'in_progress', 'completed', 'partial', 'failed'));
drop index service_instance_retained, order_item_later;
alter table service_instance drop constraint service_instance_ended_check;
alter table service_instance drop column ended_at, drop column ended_by, drop column retained_until;
alter table service_instance drop constraint service_instance_state_check;
alter table service_instance add constraint service_instance_state_check
    check (state in ('provisioning', 'active', 'undoing', 'failed'));
alter table order_item drop column begins_at;
alter table order_item drop constraint order_item_action_check;
alter table order_item add constraint order_item_action_check check (action in ('add', 'change'));
