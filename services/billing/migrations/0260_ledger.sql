-- migrate:up
-- The ledger: a row moves money from one account to another, so no entry can be out of balance.
create table transfer (
    id bigint generated always as identity primary key,
    cause text not null check (cause in ('charges', 'document', 'payment', 'commission', 'settlement')),
    cause_id text not null,
    party text not null,
    debit text not null,
    credit text not null check (credit <> debit),
    currency text not null,
    amount numeric not null check (amount > 0),
    booked_on date not null,
    stored_at timestamptz not null
);
create unique index transfer_once on transfer (cause, cause_id, party, debit, credit);
create index transfer_of_party on transfer (party, currency);

-- When a document was paid in full, first.
create table invoice_paid (
    invoice_id text primary key,
    paid_on date not null
);
insert into invoice_paid (invoice_id, paid_on) select id, paid_on from invoice where paid_on is not null;
alter table invoice drop column paid_on;

-- Currencies have up to three decimals.
alter table charge alter column net type numeric;

-- What earlier builds issued and recorded is booked as this one books it.
with booked as (
    select id, tenant_id, issued_on, document ->> 'currency' as currency, case tipo when 'TD04' then -1 else 1 end as sign,
           (document -> 'totals' ->> 'imponibile')::numeric as net, (document -> 'totals' ->> 'da_pagare')::numeric as asked,
           coalesce((document -> 'totals' ->> 'bollo_virtuale')::numeric, 0) as stamp
    from invoice where document is not null
), moved as (
    select id, tenant_id, issued_on, currency, 1 as n, 'unbilled' as debit, 'revenue' as credit, sign * net as amount from booked
    union all select id, tenant_id, issued_on, currency, 2, 'receivable', 'unbilled', sign * net from booked
    union all select id, tenant_id, issued_on, currency, 3, 'receivable', 'vat', sign * (asked - net) from booked
    union all select id, tenant_id, issued_on, currency, 4, 'stamp_cost', 'stamp', stamp from booked
)
insert into transfer (cause, cause_id, party, debit, credit, currency, amount, booked_on, stored_at)
select 'document', id, tenant_id, case when amount > 0 then debit else credit end, case when amount > 0 then credit else debit end,
       currency, abs(amount), issued_on, now()
from moved where amount <> 0 order by issued_on, id, n;

insert into transfer (cause, cause_id, party, debit, credit, currency, amount, booked_on, stored_at)
select 'payment', payment.id::text, tenant_id, case when amount > 0 then 'bank' else 'receivable' end,
       case when amount > 0 then 'receivable' else 'bank' end, document ->> 'currency', abs(amount), received_on, payment.stored_at
from payment join invoice on invoice.id = payment.invoice_id order by payment.stored_at, payment.id;

insert into transfer (cause, cause_id, party, debit, credit, currency, amount, booked_on, stored_at)
select 'commission', invoice_id, reseller_id, case when sum(base + uplift) > 0 then 'commission' else 'reseller_accrued' end,
       case when sum(base + uplift) > 0 then 'reseller_accrued' else 'commission' end, document ->> 'currency',
       abs(sum(base + uplift)), issued_on, now()
from commission join invoice on invoice.id = invoice_id group by invoice_id, reseller_id, invoice.id having sum(base + uplift) <> 0
order by issued_on, invoice_id, reseller_id;

with stated as (
    select reseller_id, quarter, currency, stored_at, (document ->> 'vested')::numeric as vested, carried_out
           + (document ->> 'due')::numeric - (document ->> 'carried_in')::numeric - (document ->> 'vested')::numeric as forgiven
    from settlement
), moved as (
    select *, 1 as n, 'reseller_accrued' as debit, vested as amount from stated
    union all select *, 2, 'commission', forgiven from stated
)
insert into transfer (cause, cause_id, party, debit, credit, currency, amount, booked_on, stored_at)
select 'settlement', quarter || '/' || currency, reseller_id, case when amount > 0 then debit else 'reseller_payable' end,
       case when amount > 0 then 'reseller_payable' else debit end, currency, abs(amount), (stored_at at time zone 'utc')::date, stored_at
from moved where amount <> 0 order by stored_at, reseller_id, n;

-- What is final refuses every change, of the service's own role too.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is final: rows are added, never changed', tg_table_name using errcode = 'restrict_violation';
end
$$;
create trigger final before update or delete or truncate on charge execute function refuse_change();
create trigger final before update or delete or truncate on transfer execute function refuse_change();
create trigger final before update or delete or truncate on invoice execute function refuse_change();
create trigger final before update or delete or truncate on invoice_paid execute function refuse_change();
create trigger final before update or delete or truncate on payment execute function refuse_change();
create trigger final before update or delete or truncate on commission execute function refuse_change();
create trigger final before update or delete or truncate on settlement execute function refuse_change();
create trigger final before update or delete or truncate on service execute function refuse_change();
create trigger final before update or delete or truncate on plan execute function refuse_change();
create trigger final before update or delete or truncate on quantity_fact execute function refuse_change();
create trigger final before update or delete or truncate on assignment execute function refuse_change();
create trigger final before update or delete or truncate on tax_profile execute function refuse_change();
create trigger final before update or delete or truncate on reseller_contract execute function refuse_change();
create trigger final before update or delete or truncate on spending_cap execute function refuse_change();
create trigger final before update or delete or truncate on retraction execute function refuse_change();

-- migrate:down
