-- migrate:up
-- From when on each catalogue is in force: the next one may not begin before it.
create table catalogue (
    revision bigint primary key,
    valid_from timestamptz not null
);

-- migrate:down
