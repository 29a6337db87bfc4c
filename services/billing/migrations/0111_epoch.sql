-- migrate:up

-- Unlogged: a crash of PostgreSQL empties it. What a process remembers may then be of commits that the crash took back
-- (`synchronous_commit = off`), so whoever finds another epoch than its own forgets.
create unlogged table epoch (
    one boolean primary key check (one),
    id uuid not null
);

-- migrate:down
drop table epoch;
