-- migrate:up
-- Notifications that wait are counted every few seconds.
create index notification_waiting on notification (created_at) where state = 'waiting';

-- migrate:down
drop index notification_waiting;
