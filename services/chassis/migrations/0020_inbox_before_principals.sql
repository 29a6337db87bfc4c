-- migrate:up

-- Since this migration the key of an event that a door let in is a hash of (subject, principal, source, id). Where the
-- inbox may hold keys of (subject, source, id), there is a row here: until the inbox has let them go, both are looked up.
create table inbox_before_principals (
    one boolean primary key default true check (one),
    until timestamptz not null default now()
);
insert into inbox_before_principals (one)
select true where exists (select from inbox) or exists (select from consumer_offset);

-- migrate:down
drop table inbox_before_principals;
