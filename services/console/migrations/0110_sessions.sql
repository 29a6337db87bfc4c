-- migrate:up

-- Who is signed in. Only a keyed digest of the cookie's random value is kept: rows open nothing.
create table console_session (
    digest bytea primary key,
    opened_at timestamptz not null,
    expires_at timestamptz not null
);
create index console_session_expires_at on console_session (expires_at);

-- migrate:down
drop table console_session;
