-- migrate:up
-- Who was told of an alert is asked by the alert.
create index notification_alert on notification (alert_id) where alert_id is not null;

-- migrate:down
drop index notification_alert;
