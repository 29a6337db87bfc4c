-- migrate:up

-- How far each log has been taken. The truth about progress: Kafka's own group offset only feeds lag tools.
-- A topic that was deleted and made anew is another log, with a row of its own.
create table consumer_offset (
    topic text not null,
    part int not null,
    log_id text not null,
    next_offset bigint not null check (next_offset >= 0),
    updated_at timestamptz not null default now(),
    primary key (topic, part, log_id)
);

-- Offsets that nobody here has ever seen: removed by retention, or holes in the log.
create table ingest_gap (
    topic text not null,
    part int not null,
    log_id text not null,
    from_offset bigint not null,
    to_offset bigint not null,
    reason text not null check (reason in ('retention', 'hole')),
    seen_at timestamptz not null default now(),
    primary key (topic, part, log_id, from_offset),
    check (from_offset <= to_offset)
);

-- Events acted on, so that a fact sent twice under two offsets acts once. Key: hash of (subject, source, id).
create table inbox (
    event_key uuid primary key,
    content_hash bigint not null,
    seen_at timestamptz not null default now()
);
create index inbox_seen_at on inbox using brin (seen_at);

-- Records that could not be acted on, whole, with the reason; mirrored to <topic>.dlq through the outbox.
create table reject (
    id bigint generated always as identity unique,
    topic text not null,
    part int not null,
    log_id text not null,
    "offset" bigint not null,
    tenant_id text,
    reason text not null,
    detail text not null,
    key bytea,
    raw bytea,
    headers jsonb not null default '[]',
    first_seen timestamptz not null default now(),
    replayed_at timestamptz,
    primary key (topic, part, log_id, "offset")
);
create index reject_reason on reject (reason, id);

-- Facts on their way out, in order. Column names as Debezium's outbox; the relay deletes what Kafka has.
create table outbox (
    seq bigint generated always as identity primary key,
    id uuid not null,
    aggregatetype text not null,
    aggregateid text not null,
    type text not null,
    key bytea,
    payload bytea,
    headers jsonb not null default '[]',
    created_at timestamptz not null default now()
);

-- Outside calls and timers. A lease is held by a token for a time on the database's clock.
create table job (
    id uuid primary key,
    kind text not null,
    key text,
    args jsonb not null,
    run_at timestamptz not null,
    state text not null default 'waiting' check (state in ('waiting', 'failed')),
    attempt int not null default 0 check (attempt >= 0),
    lease_token uuid,
    leased_until timestamptz,
    correlation_id text,
    causation_id text,
    last_error text,
    created_at timestamptz not null default now(),
    unique (kind, key),
    check ((lease_token is null) = (leased_until is null))
);
create index job_due on job (kind, run_at) where state = 'waiting';

-- migrate:down
drop table job, outbox, reject, inbox, ingest_gap, consumer_offset;
