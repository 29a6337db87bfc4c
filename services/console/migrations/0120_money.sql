-- migrate:up
-- What is still to be paid of an invoice, when it was paid in full, and whether it was told as overdue.
alter table invoice add column open numeric;
alter table invoice add column paid_on date;
alter table invoice add column overdue boolean not null default false;
create index invoice_number on invoice (number);
update invoice set open = (document -> 'totals' ->> 'da_pagare')::numeric
where coalesce(document ->> 'tipo_documento', 'TD01') = 'TD01';

-- What meters of a service may cost in a month, and the newest share that was told to be spent.
create table cap (
    tenant_id text not null,
    service_id text not null,
    meters_hash bytea not null,
    meters text[] not null,
    amount numeric not null,
    hard boolean not null,
    since date not null,
    month date,
    percent int,
    spent numeric,
    forecast numeric,
    primary key (tenant_id, service_id, meters_hash)
);

-- migrate:down
drop table cap;
drop index invoice_number;
alter table invoice drop column open, drop column paid_on, drop column overdue;
