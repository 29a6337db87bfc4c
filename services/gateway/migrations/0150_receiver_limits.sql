-- migrate:up

-- Deliveries that wait already get the limit that new ones have: its receiver's.
update job set limit_name = 'receiver:' || notification.recipient, limit_places = 4
from notification
where job.kind = 'deliver_webhook' and job.limit_name = '' and notification.id = job.args ->> 'notification_id';

-- migrate:down
update job set limit_name = '', limit_places = null where kind = 'deliver_webhook';
