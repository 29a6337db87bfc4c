-- migrate:up

-- From when to when the door is known to have let signals in, by partition of their topic: without it, the absence
-- of signs of life would mean nothing.
create table way_in (
    part int primary key,
    pulse_at timestamptz not null,
    open_since timestamptz not null
);

-- migrate:down
drop table way_in;
