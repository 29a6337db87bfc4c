-- migrate:up
-- Alerts whose answer is late are counted every few seconds.
create index alert_unanswered on alert (acknowledge_by) where state in ('open', 'escalated');

-- migrate:down
drop index alert_unanswered;
