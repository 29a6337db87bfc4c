-- migrate:up
-- What audits found: the books of some days, compared with themselves.
create table audit (
    id bigint generated always as identity primary key,
    checked_at timestamptz not null,
    from_day date not null,
    to_day date not null,
    compared bigint not null,
    differences bigint not null
);

-- A home that has a catalogue begins at once; another with its first one.
insert into job (id, kind, key, args, run_at)
select gen_random_uuid(), 'audit_books', 'audit', '{}', now() from catalogue_seen;

-- migrate:down
