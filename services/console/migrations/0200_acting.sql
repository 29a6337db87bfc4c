-- migrate:up
-- Who signed in, in their own words: the token is the same for all.
alter table console_session add column who text not null default '';

-- What operators asked for here, each once, with what came of it. An outcome that is missing is not known: the process ended between
-- asking and hearing. Kept for good: it is written by people, and it cannot be built again from the topics.
create table act (
    id uuid primary key,
    at timestamptz not null,
    who text not null,
    kind text not null,
    object text not null,
    tenant_id text,
    detail text not null,
    outcome text,
    explanation text not null default ''
);
create index act_at on act (at desc, id);
create index act_object on act (object, at desc);

-- The state of an alert by what happened to it: the end first, then an answer, then an escalation.
create function alert_state(acknowledged_at timestamptz, escalated_at timestamptz, resolved_at timestamptz) returns text
language sql immutable as $$
    select case when resolved_at is not null then 'resolved' when acknowledged_at is not null then 'acknowledged'
                when escalated_at is not null then 'escalated' else 'open' end
$$;

-- migrate:down
drop function alert_state(timestamptz, timestamptz, timestamptz);
drop table act;
alter table console_session drop column who;
