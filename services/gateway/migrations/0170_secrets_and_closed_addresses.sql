-- migrate:up

-- Every secret signs along for a day after the one that follows it, however many follow within that day.
create table webhook_secret_past (
    reseller_id text not null references reseller,
    secret bytea not null,
    ends_at timestamptz not null
);
create index webhook_secret_past_reseller on webhook_secret_past (reseller_id, ends_at);
insert into webhook_secret_past (reseller_id, secret, ends_at)
select id, webhook_secret_before, webhook_secret_changed_at + interval '24 hours' from reseller
where webhook_secret_before is not null and webhook_secret_changed_at is not null;
alter table reseller drop column webhook_secret_before, drop column webhook_secret_changed_at;

-- A receiver that answered 410 gets nothing more: since when.
alter table reseller add column webhook_closed_at timestamptz;
update reseller set webhook_closed_at = now() where not webhook_open;
alter table reseller drop column webhook_open;

-- migrate:down
alter table reseller add column webhook_open boolean not null default true;
update reseller set webhook_open = false where webhook_closed_at is not null;
alter table reseller drop column webhook_closed_at;
alter table reseller add column webhook_secret_before bytea, add column webhook_secret_changed_at timestamptz;
drop table webhook_secret_past;
