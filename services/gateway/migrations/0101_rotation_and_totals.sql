-- migrate:up

-- A plan that a newer catalogue leaves out is sold no more, but still meters the services that were sold.
alter table plan add column on_sale boolean not null default true;

-- For a while after a rotation, webhooks are signed with the secret before, too.
alter table reseller
    add column webhook_secret_before bytea,
    add column webhook_secret_changed_at timestamptz;

-- Faults by reason, ever: the rows of `refusal` are kept for a while only.
create table refusal_total (
    reason text primary key,
    n bigint not null
);
insert into refusal_total select reason, count(*) from refusal group by reason;

create index notification_created_at on notification (created_at);
create index accepted_order_accepted_at on accepted_order (accepted_at);

-- migrate:down
drop index accepted_order_accepted_at, notification_created_at;
drop table refusal_total;
alter table reseller drop column webhook_secret_before, drop column webhook_secret_changed_at;
alter table plan drop column on_sale;
