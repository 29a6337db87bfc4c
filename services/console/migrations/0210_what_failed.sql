-- migrate:up
-- The first page asks for what failed lately and what waits; pages of one thing for its notifications. The logs grow for years.
create index delivery_failed on delivery (at) where state = 'failed';
create index delivery_at on delivery (at desc, id);
create index delivery_of_alert on delivery (alert_id, at desc);
create index delivery_to on delivery (recipient, at desc);
create index alert_waiting on alert (id) where resolved_at is null and acknowledged_at is null;

-- migrate:down
drop index delivery_failed, delivery_at, delivery_of_alert, delivery_to, alert_waiting;
