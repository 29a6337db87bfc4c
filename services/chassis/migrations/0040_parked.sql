-- migrate:up

-- Records that came before what they build on, whole: they are tried again when more comes for their subject, and by time,
-- and become rejects after a bound. Their ids stay in the inbox, so that the same fact sent twice waits once.
create table parked (
    id bigint generated always as identity unique,
    topic text not null,
    part int not null,
    log_id text not null,
    "offset" bigint not null,
    written_ms bigint not null,
    subject text not null,
    reason text not null,
    key bytea,
    raw bytea not null,
    headers jsonb not null default '[]',
    parked_at timestamptz not null default now(),
    next_try_at timestamptz not null default now(),
    primary key (topic, part, log_id, "offset")
);
create index parked_subject on parked (topic, subject, id);
create index parked_due on parked (next_try_at);

-- migrate:down
drop table parked;
