-- migrate:up
-- A reject is settled when it was sent again, or when somebody said why it need not be.
alter table reject add column dismissed_at timestamptz;
alter table reject add column dismissed_because text;

-- migrate:down
alter table reject drop column dismissed_at, drop column dismissed_because;
