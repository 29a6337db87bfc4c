-- migrate:up
-- What a door let in and a service behind it refused, for its sender.
create table rejected_event (
    n bigint generated always as identity primary key,
    id uuid not null unique,
    at timestamptz not null,
    sender text not null,
    tenant_id text not null,
    source text not null,
    event_id text not null,
    type text not null,
    service text not null,
    reason text not null,
    detail text not null
);
create index rejected_event_of_sender on rejected_event (sender, n);
create index rejected_event_of_reason on rejected_event (sender, reason, n);
create index rejected_event_at on rejected_event (at);

-- When a sender was last notified of rejects for a reason, and how many there were since.
create table reject_notice (
    sender text not null,
    reason text not null,
    notified_at timestamptz,
    more int not null default 0,
    primary key (sender, reason)
);

create index refusal_of_principal on refusal (principal, n);
create index accepted_order_of_order on accepted_order (principal, (answer ->> 'order_id'));

-- migrate:down
drop index accepted_order_of_order, refusal_of_principal;
drop table rejected_event, reject_notice;
