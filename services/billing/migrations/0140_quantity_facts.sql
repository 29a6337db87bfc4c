-- migrate:up
-- A change is a fact of one component: what is told of the mailboxes says nothing of the certified ones. Changes that were
-- kept as all quantities of a service said something of each.
create table quantity_fact (
    service_id text not null,
    name text not null,
    effective_at timestamptz not null,
    seq bigint generated always as identity,
    quantity numeric(38, 12) not null,
    primary key (service_id, name, effective_at, seq)
);
insert into quantity_fact (service_id, name, effective_at, quantity)
select service_id, name, effective_at, n::numeric
from quantity_change, jsonb_each_text(quantities) as each (name, n) order by quantity_change.seq;
drop table quantity_change;

-- migrate:down
