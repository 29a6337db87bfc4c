-- migrate:up

-- Rejects go by their age.
create index reject_first_seen on reject (first_seen);

-- migrate:down
drop index reject_first_seen;
