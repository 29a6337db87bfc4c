-- migrate:up

-- Between events of the same instant the order of arrival decides: log and offset. Logs are numbered by age: a topic that is
-- re-created is a later log.
create table usage_log (
    no int generated always as identity unique,
    part int not null,
    log_id text not null,
    primary key (part, log_id)
);

-- Null in blocks of earlier builds, which hold no offsets: their events keep the order they had, that of their keys.
alter table usage_block add column log_no int, add column first_offset bigint, add column offsets bytea;
alter table usage_block alter column offsets set storage external;

-- migrate:down
alter table usage_block drop column log_no, drop column first_offset, drop column offsets;
drop table usage_log;
