-- migrate:up

-- Raw usage that arrived before this day was dropped: what came of it can no longer be checked or added up again.
create table raw_kept (
    one boolean primary key check (one),
    since date not null
);

-- migrate:down
drop table raw_kept;
