-- migrate:up
-- From this instant on nothing of a service is used: the door refuses it.
alter table service add column ended_at timestamptz;

-- migrate:down
alter table service drop column ended_at;
