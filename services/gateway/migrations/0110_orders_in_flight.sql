-- migrate:up

-- An order is written before it is sent: while it is `sending`, nobody knows whether Kafka has it, and its message is
-- here, sealed, to be sent again as it was. Orders of earlier builds were written after they were sent.
alter table accepted_order
    add column state text not null default 'sent' check (state in ('sending', 'sent')),
    add column key bytea,
    add column message bytea,
    add column tried_at timestamptz;
create index accepted_order_sending on accepted_order (tried_at) where state = 'sending';

-- The highest instant that any copy's clock has shown, so that a clock that steps back is noticed after a restart too.
create table clock_seen (
    one boolean primary key default true check (one),
    at timestamptz not null
);

-- migrate:down
drop table clock_seen;
drop index accepted_order_sending;
alter table accepted_order drop column tried_at, drop column message, drop column key, drop column state;
