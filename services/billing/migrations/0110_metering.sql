-- migrate:up

-- Usage counted by earlier builds is not carried over: its table could neither age out nor be rebuilt from.
drop table usage_event, parked_usage, meter;

alter table tenant add column no int generated always as identity unique;

-- A meter's definitions. One counts for events from `valid_from` on; where several do, the latest version.
create table meter_version (
    key text not null,
    version int not null check (version > 0),
    valid_from timestamptz not null,
    revision bigint not null,
    meter jsonb not null,
    primary key (key, version)
);

-- The newest catalogue revision seen, and a count of changes by which processes notice them.
create table catalogue_seen (
    one boolean primary key check (one),
    revision bigint not null,
    changed bigint not null default 0
);

-- Keys of counted events, by the time they arrived: one table per generation (usage_key_N), made when the one before is
-- as old as the window, and dropped, never deleted from, when the next but one begins.
create table key_generation (
    no int primary key,
    started_at timestamptz not null
);

-- The counted events themselves, as they came: one row per slice, compressed, in order of tenant. `tenants` and `ns` say
-- whose events are in it and how many each. By the day they arrived, so that old days are dropped whole.
create table usage_block (
    arrived_on date not null,
    id bigint generated always as identity,
    part int not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    tenants int[] not null,
    ns int[] not null,
    events bytea not null,
    primary key (arrived_on, id)
) partition by range (arrived_on);
alter table usage_block alter column events set storage external;
create index usage_block_window on usage_block (last_at, first_at);

-- What is added up: a meter's version for a service instance and a group of its dimensions.
create table series (
    no int generated always as identity primary key,
    tenant_id text not null,
    service_id text not null,
    meter text not null,
    version int not null,
    dimensions jsonb not null,
    unique (service_id, meter, version, dimensions)
);
create index series_tenant on series (tenant_id, meter);

-- A civil hour of a series, by the instant it begins. Which columns are filled, the aggregation says.
create table meter_bucket (
    series_no int not null,
    starts timestamptz not null,
    n bigint not null check (n > 0),
    total numeric,
    high numeric,
    low numeric,
    last_at timestamptz,
    last_order bytea,
    last numeric,
    primary key (series_no, starts)
) with (fillfactor = 70);

-- The distinct values of a unique_count, by a hash of 16 bytes.
create table meter_value (
    series_no int not null,
    starts timestamptz not null,
    value uuid not null,
    primary key (series_no, starts, value)
);

-- The levels of a time_weighted meter: an average over time needs them in order, whenever they came.
create table meter_level (
    series_no int not null,
    at timestamptz not null,
    "order" bytea not null,
    level numeric not null,
    primary key (series_no, at, "order")
);

-- Usage that came after its month was invoiced: it is in its buckets, and waits here for a correction.
create table late_usage (
    series_no int not null,
    month date not null,
    n bigint not null,
    total numeric,
    last_seen timestamptz not null,
    primary key (series_no, month)
);

-- Usage that cannot be judged yet: `waits_for` a service id, or `catalogue`.
create table parked_usage (
    event_key bytea primary key,
    payload_hash bigint not null,
    waits_for text not null,
    raw bytea not null,
    part int not null,
    log_id text not null,
    "offset" bigint not null,
    parked_at timestamptz not null default now()
);
create index parked_usage_waits on parked_usage (waits_for);

-- Results of recomputing buckets from the events themselves.
create table meter_check (
    id bigint generated always as identity primary key,
    checked_at timestamptz not null,
    from_day date not null,
    to_day date not null,
    buckets bigint not null,
    differences bigint not null
);

-- migrate:down
drop table meter_check, parked_usage, late_usage, meter_level, meter_value, meter_bucket, series, usage_block, key_generation, catalogue_seen, meter_version;
