-- migrate:up

-- When usage was set aside, on the clock it is judged by: it may wait for long, and is as late as it was then.
alter table parked_usage add column seen_at timestamptz;
update parked_usage set seen_at = parked_at;
alter table parked_usage alter column seen_at set not null;

-- migrate:down
alter table parked_usage drop column seen_at;
