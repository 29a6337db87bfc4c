-- name: put_plan(sku, revision, valid_from, currency, plan)!
-- A plan of a catalogue.
insert into plan (sku, revision, valid_from, currency, plan) values (:sku, :revision, :valid_from, :currency, :plan)
on conflict do nothing;

-- name: last_meter_version(key)^
-- The definition of a meter published last.
select version, revision, valid_from, meter from meter_version where key = :key order by version desc limit 1;

-- name: add_meter_version(key, version, valid_from, revision, meter)!
-- One more definition.
insert into meter_version (key, version, valid_from, revision, meter)
values (:key, :version, :valid_from, :revision, :meter);

-- name: date_meter_version(key, version, valid_from)!
-- A definition counts from another instant on.
update meter_version set valid_from = :valid_from where key = :key and version = :version;

-- name: meter_versions()
-- All definitions of all meters.
select key, version, valid_from, meter from meter_version;

-- name: see_revision(revision)!
-- The catalogue has moved on.
insert into catalogue_seen (one, revision) values (true, :revision)
on conflict (one) do update set revision = greatest(catalogue_seen.revision, excluded.revision), changed = catalogue_seen.changed + 1;

-- name: whats_known()^
-- The newest revision seen, how often definitions have changed here, and the epoch: null after a crash.
select coalesce(c.revision, 0) as revision, coalesce(c.changed, -1) as changed, e.id as epoch
from (values (true)) as always (one) left join catalogue_seen c using (one) left join epoch e using (one);

-- name: hold_catalogue()$
-- The catalogue, held shared: the next one comes after this transaction.
select revision from catalogue_seen for share;

-- name: begin_epoch(id)!
-- From now on memories hold again.
insert into epoch (one, id) values (true, :id) on conflict do nothing;

-- name: touch_catalogue()!
-- Definitions have changed without a new revision.
update catalogue_seen set changed = changed + 1;

-- name: plan(sku, revision, instant)^
-- The plan of a SKU that is in force at an instant by the catalogues up to a revision (null: all): of the last of them.
-- Before the first one is in force, the first.
select plan, currency from plan where sku = :sku and (:revision::bigint is null or revision <= :revision)
order by valid_from <= :instant desc, case when valid_from <= :instant then revision else -revision end desc limit 1;

-- name: ensure_tenant(id)!
-- A tenant that is heard of for the first time.
insert into tenant (id) values (:id) on conflict do nothing;

-- name: describe_tenant(id, external_id, zone, currency, details)!
-- What documents need to know of a tenant.
insert into tenant (id, external_id, zone, currency, details) values (:id, :external_id, :zone, :currency, :details)
on conflict (id) do update
set external_id = excluded.external_id, zone = excluded.zone, currency = excluded.currency, details = excluded.details;

-- name: set_reseller(id, reseller_id)!
-- Who serves a tenant.
insert into tenant (id, reseller_id) values (:id, :reseller_id)
on conflict (id) do update set reseller_id = excluded.reseller_id;

-- name: note_reseller(id)!
-- Somebody who serves tenants, or did.
insert into reseller (id) values (:id) on conflict do nothing;

-- name: resellers_among(ids)
-- Those of these names that are resellers.
select id from reseller where id = any(:ids::text[]);

-- name: tenant(id)^
-- A tenant.
select id, no, external_id, zone, currency, reseller_id, coalesce(details -> 'address' ->> 'country', 'IT') as country from tenant where id = :id;

-- name: tenants()
-- All tenants, in order.
select id, no, external_id, zone, currency, reseller_id, coalesce(details -> 'address' ->> 'country', 'IT') as country from tenant order by id;

-- name: tenants_beyond(id, limit)
-- The next tenants, in order.
select id, no, external_id, zone, currency, reseller_id, coalesce(details -> 'address' ->> 'country', 'IT') as country from tenant where id > :id order by id limit :limit;

-- name: share_tenant(id)$
-- A tenant, held shared: no month of it is closed meanwhile. Up to when it is closed.
select closed_until from tenant where id = :id for share;

-- name: lock_tenant(id)^
-- A tenant, held alone: nothing of it is counted meanwhile.
select id, no, external_id, zone, currency, reseller_id, coalesce(details -> 'address' ->> 'country', 'IT') as country from tenant where id = :id for update;

-- name: lock_free_tenants(ids)
-- Of these tenants, those that nobody holds: held alone, without waiting for any.
select id, no, external_id, zone, currency, reseller_id, coalesce(details -> 'address' ->> 'country', 'IT') as country
from tenant where id = any(:ids::text[]) order by id for update skip locked;

-- name: share_tenants(ids)
-- Tenants whose usage is about to be counted: nothing of them is closed meanwhile. In order, so that nobody deadlocks.
select id, no, zone, closed_until, reseller_id from tenant where id = any(:ids::text[]) order by id for share;

-- name: close_until(tenants, instants)!
-- Usage of tenants before these instants is invoiced.
update tenant set closed_until = instant from unnest(:tenants::text[], :instants::timestamptz[]) as t (who, instant) where id = who;

-- name: add_service(id, tenant_id, sku, item, activated_at, plan, currency)$
-- A service instance, with the plan as it was sold; nothing if it is known.
insert into service (id, tenant_id, sku, item, activated_at, plan, currency)
values (:id, :tenant_id, :sku, :item, :activated_at, :plan, :currency)
on conflict do nothing returning id;

-- name: services(tenants)
-- Services of tenants, in the order documents show them.
select tenant_id, id, activated_at, plan, currency from service where tenant_id = any(:tenants::text[])
order by plan ->> 'sku' collate "C", activated_at, item, id;

-- name: services_by_id(ids)
-- The services that usage is about.
select id, tenant_id, activated_at, plan,
       (select min(greatest(effective_at, activated_at)) from service_state where service_id = id and state = 'ended') as ended_at
from service where id = any(:ids::text[]);

-- name: add_quantities(service_id, effective_at, stored_at, names, quantities)!
-- Quantities from an instant on.
insert into quantity_fact (service_id, effective_at, stored_at, name, quantity)
select :service_id, :effective_at, :stored_at, * from unnest(:names::text[], :quantities::numeric[]);

-- name: quantity_facts(services, as_ofs)
-- Quantities of services over time, in the order of arrival: of each, those that were stored up to an instant.
select service_id, name, effective_at, quantity from unnest(:services::text[], :as_ofs::timestamptz[]) as asked (id, as_of)
join quantity_fact on service_id = asked.id and stored_at <= as_of order by seq;

-- name: add_state(service_id, state, effective_at, stored_at)!
-- What a service is from an instant on.
insert into service_state (service_id, state, effective_at, stored_at) values (:service_id, :state, :effective_at, :stored_at);

-- name: state_facts(services, as_ofs)
-- What services were over time, in the order of arrival: of each, what was stored up to an instant.
select service_id, state, effective_at from unnest(:services::text[], :as_ofs::timestamptz[]) as asked (id, as_of)
join service_state on service_id = asked.id and stored_at <= as_of order by seq;

-- name: tenant_of_service(id)$
-- Whose a service is; nothing while it is not counted yet.
select tenant_id from service where id = :id;

-- name: add_tally(part, outcomes, reasons, ns)!
-- Adds to the account of what became of usage.
insert into usage_tally (part, outcome, reason, n)
select :part, * from unnest(:outcomes::text[], :reasons::text[], :ns::bigint[])
on conflict (part, outcome, reason) do update set n = usage_tally.n + excluded.n;

-- name: tally()
-- What became of usage, in all.
select outcome, reason, sum(n)::bigint as n from usage_tally group by outcome, reason order by outcome, reason;

-- name: billed(services)
-- What was billed of services' recurring components, by days.
select service_id, component, day_from, day_to, units_billed, net from charge
where service_id = any(:services::text[]) and kind = 'recurring' order by id;

-- name: add_cap(tenant_id, service_id, meters, since, amount, is_hard, spent, stored_at)!
-- What meters of a service may cost from a month on.
insert into spending_cap (tenant_id, service_id, meters, since, amount, is_hard, spent, stored_at)
values (:tenant_id, :service_id, :meters, :since, :amount, :is_hard, :spent, :stored_at);

-- name: caps(tenants, as_ofs)
-- Tenants' caps, in the order of arrival: of each, those that were stored up to an instant.
select tenant_id, service_id, meters, since, amount, is_hard, spent from unnest(:tenants::text[], :as_ofs::timestamptz[]) as asked (id, as_of)
join spending_cap on tenant_id = asked.id and stored_at <= as_of order by seq;

-- name: note_cap(tenant_id, service_id, meters, month, percent)$
-- Notes that a share of a cap is reported; nothing if it was reported before.
insert into cap_notice (tenant_id, service_id, meters_hash, month, percent)
values (:tenant_id, :service_id, sha256(convert_to(array_to_string(:meters::text[], ' '), 'UTF8')), :month, :percent) on conflict do nothing returning true;

-- name: forget_cap_notices(tenant_id, service_id, meters, month, still)!
-- Of a cap that was changed, forgets the notices of a month but those that still hold.
delete from cap_notice where tenant_id = :tenant_id and service_id = :service_id and month = :month and percent <> all(:still::int[])
  and meters_hash = sha256(convert_to(array_to_string(:meters::text[], ' '), 'UTF8'));

-- name: add_tenant_cap(tenant_id, currency, since, amount, is_hard, spent, stored_at)!
-- What a tenant's whole month may cost from one on.
insert into tenant_cap (tenant_id, currency, since, amount, is_hard, spent, stored_at)
values (:tenant_id, :currency, :since, :amount, :is_hard, :spent, :stored_at);

-- name: tenant_caps(tenants, as_ofs)
-- Caps on tenants' whole months, in the order of arrival: of each, those that were stored up to an instant.
select tenant_id, currency, since, amount, is_hard, spent from unnest(:tenants::text[], :as_ofs::timestamptz[]) as asked (id, as_of)
join tenant_cap on tenant_id = asked.id and stored_at <= as_of order by seq;

-- name: note_tenant_cap(tenant_id, currency, month, percent)$
-- Notes that a share of a cap on the whole month is reported; nothing if it was reported before.
insert into tenant_cap_notice (tenant_id, currency, month, percent)
values (:tenant_id, :currency, :month, :percent) on conflict do nothing returning true;

-- name: forget_tenant_cap_notices(tenant_id, currency, month, still)!
-- The same of a cap on the whole month.
delete from tenant_cap_notice where tenant_id = :tenant_id and currency = :currency and month = :month and percent <> all(:still::int[]);

-- name: billed_usage(tenants, months)
-- What was billed of tenants' usage of months, by service, component and meters.
select tenant_id, month, service_id, component, meter, quantity, unit_price, net
from unnest(:tenants::text[], :months::date[]) as asked (id, month)
join charge on tenant_id = asked.id and kind in ('usage', 'cap') and day_from = month order by charge.id;

-- name: set_up(services)
-- The services whose set-up fee was charged.
select distinct service_id from charge where service_id = any(:services::text[]) and kind = 'setup';

-- name: invoice(name)^
-- An issued document, by its id or number.
select id, tenant_id, number, tipo, document, paid_on from invoice left join invoice_paid on invoice_id = id
where id = :name or number = :name;

-- name: plan_run(tenant_id, boundary, as_of)!
-- One run for a tenant and boundary, ever.
insert into invoice_run (tenant_id, boundary, as_of) values (:tenant_id, :boundary, :as_of) on conflict do nothing;

-- name: hold_open_run(tenant_id, boundary)$
-- The instant up to which what was stored counts for a run; nothing if it was done before.
select as_of from invoice_run where tenant_id = :tenant_id and boundary = :boundary and not is_done for update;

-- name: close_runs(tenants, boundary)!
-- Runs are done.
update invoice_run set is_done = true where tenant_id = any(:tenants::text[]) and boundary = :boundary;

-- name: hold_runs_beside(tenant_id, boundary, now, limit)
-- Other tenants' runs of a boundary that are due and untried, the first of their tenants, not held by a person, and that
-- nobody is making. They are found by their jobs, which are in order of time.
select r.tenant_id, r.as_of from job join invoice_run as r on r.tenant_id = args ->> 'tenant_id' and r.boundary = :boundary
where kind = 'invoice_run' and limit_name = '' and party = '' and state = 'waiting' and attempt = 0 and not delay_told and run_at <= :now
and args ->> 'boundary' = :boundary::date::text and r.tenant_id <> :tenant_id and not r.is_done
and not exists (select from invoice_hold as h where h.tenant_id = r.tenant_id and h.boundary = r.boundary)
and not exists (select from invoice_run as e where e.tenant_id = r.tenant_id and e.boundary < r.boundary and not e.is_done)
limit :limit for update of r skip locked;

-- name: open_runs(tenants)
-- The first run of each of these tenants that is not done.
select distinct on (tenant_id) tenant_id, boundary, as_of from invoice_run
where tenant_id = any(:tenants::text[]) and not is_done order by tenant_id, boundary;

-- name: mark_dirty(tenants, months)!
-- These months are rated again by the next run.
insert into dirty_period (tenant_id, month)
select distinct * from unnest(:tenants::text[], :months::date[]) as t (tenant_id, month) order by 1, 2 on conflict do nothing;

-- name: oldest_dirty(tenants)
-- The oldest month of each of these tenants that is to be rated again.
select tenant_id, min(month) as month from dirty_period where tenant_id = any(:tenants::text[]) group by tenant_id;

-- name: forget_dirty(tenants, before)!
-- The months of tenants before a day are rated again. They are held alone.
delete from dirty_period where tenant_id = any(:tenants::text[]) and month < :before;

-- name: originals(tenant_id)
-- A tenant's invoices of which something is left to be credited, newest first, with the components that they billed.
select i.id, i.number, i.issued_on, i.document ->> 'currency' as currency, i.net - coalesce(credited.net, 0) as left,
       array_agg(charge.service_id) as services, array_agg(charge.component) as components,
       array_agg(date_trunc('month', charge.day_from)::date) as months
from (select *, (document -> 'totals' ->> 'imponibile')::numeric as net from invoice where tenant_id = :tenant_id and tipo = 'TD01') as i
left join (select corrects as id, sum((document -> 'totals' ->> 'imponibile')::numeric) as net
           from invoice where tenant_id = :tenant_id and corrects is not null group by corrects) as credited on credited.id = i.id
join charge on charge.invoice_id = i.id and charge.net > 0
where i.net > coalesce(credited.net, 0)
group by i.id, i.number, i.issued_on, i.document, i.net, credited.net order by i.issued_on desc, i.number desc;

-- name: take_numbers(series, year, n)$
-- Takes the next numbers of a series, without gaps, and returns the last: they are lost if the transaction is.
insert into invoice_series (series, year, last_number) values (:series, :year, :n)
on conflict (series, year) do update set last_number = invoice_series.last_number + excluded.last_number
returning last_number;

-- name: add_invoices(ids, tenants, boundaries, days, numbers, types, originals, documents)!
-- Documents, final.
insert into invoice (id, tenant_id, boundary, issued_on, number, tipo, corrects, document)
select i, t, b, d, n, y, c, j::jsonb
from unnest(:ids::text[], :tenants::text[], :boundaries::date[], :days::date[], :numbers::text[], :types::text[],
            :originals::text[], :documents::text[]) as u (i, t, b, d, n, y, c, j);

-- name: add_charges(invoices, tenants, services, kinds, components, meters, descriptions, quantities, unit_prices, nets, firsts, ends, units)!
-- Charges into the ledger, in their order.
insert into charge (invoice_id, tenant_id, service_id, kind, component, meter, description, quantity, unit_price, net, day_from, day_to, units_billed)
select i, t, s, k, c, m, d, q, p, n, f, e, u
from unnest(:invoices::text[], :tenants::text[], :services::text[], :kinds::text[], :components::text[], :meters::text[],
            :descriptions::text[], :quantities::numeric[], :unit_prices::numeric[], :nets::numeric[], :firsts::date[],
            :ends::date[], :units::numeric[])
     with ordinality as r (i, t, s, k, c, m, d, q, p, n, f, e, u, place) order by place;

-- name: charges_of(invoice_id)
-- The ledger rows behind an invoice.
select service_id, kind, component, meter, description, quantity, unit_price, net, day_from, day_to, units_billed
from charge where invoice_id = :invoice_id order by id;

-- name: add_assignment(tenant_id, reseller_id, since, stored_at)!
-- Who serves a tenant from a civil day on.
insert into assignment (tenant_id, reseller_id, since, stored_at) values (:tenant_id, :reseller_id, :since, :stored_at);

-- name: assignments(tenants, as_ofs)
-- Who served tenants when, in the order of arrival: of each, what was stored up to an instant.
select tenant_id, since, assignment.reseller_id from unnest(:tenants::text[], :as_ofs::timestamptz[]) as asked (id, as_of)
join assignment on tenant_id = asked.id and stored_at <= as_of order by seq;

-- name: add_contract(reseller_id, since, model, rate_percent, first_year_uplift_percent, stored_at)!
-- What a reseller earns from a day on.
insert into reseller_contract (reseller_id, since, model, rate_percent, first_year_uplift_percent, stored_at)
values (:reseller_id, :since, :model, :rate_percent, :first_year_uplift_percent, :stored_at);

-- name: contracts(resellers, as_ofs)
-- Resellers' contracts, in the order of arrival: of each, what was stored up to an instant.
select place, since, model, rate_percent, first_year_uplift_percent
from unnest(:resellers::text[], :as_ofs::timestamptz[]) with ordinality as asked (id, as_of, place)
join reseller_contract on reseller_id = asked.id and stored_at <= as_of order by seq;

-- name: last_document(reseller_id)$
-- The date of the newest document of the tenants that a reseller serves or served.
select max(issued_on) from invoice where tenant_id in (select tenant_id from assignment where reseller_id = :reseller_id);

-- name: hold_reseller(id)$
-- A reseller, locked: its contracts are stored one after the other.
select id from reseller where id = :id for update;

-- name: first_starts(tenants)
-- When the first service of each of these tenants was activated.
select tenant_id, min(activated_at) as at from service where tenant_id = any(:tenants::text[]) group by tenant_id;

-- name: add_commissions(invoices, lines, resellers, nets, bases, uplifts)!
-- What resellers earn of lines of documents.
insert into commission (invoice_id, line, reseller_id, net, base, uplift)
select * from unnest(:invoices::text[], :lines::int[], :resellers::text[], :nets::numeric[], :bases::numeric[], :uplifts::numeric[]);

-- name: add_tax_profile(tenant_id, since, profile, stored_at)!
-- How a tenant's documents are taxed from a civil day on.
insert into tax_profile (tenant_id, since, profile, stored_at) values (:tenant_id, :since, :profile, :stored_at);

-- name: tax_profiles(tenants, as_ofs)
-- How tenants' documents are taxed, in the order of arrival: of each, what was stored up to an instant.
select tenant_id, since, profile from unnest(:tenants::text[], :as_ofs::timestamptz[]) as asked (id, as_of) join tax_profile on tenant_id = asked.id and stored_at <= as_of order by seq;

-- name: documents_in(tenant_id, first, after)
-- A tenant's documents of some days, by number, with the instant up to which their run counted what was stored.
select i.id, i.number, i.issued_on, i.corrects, i.document, p.paid_on, o.issued_on as credited_on, r.as_of from invoice as i
left join invoice_paid as p on p.invoice_id = i.id
left join invoice as o on o.id = i.corrects
left join invoice_run as r on r.tenant_id = i.tenant_id and r.boundary = i.boundary
where i.tenant_id = :tenant_id and i.issued_on >= :first and i.issued_on < :after and i.document is not null order by i.number;

-- name: credit_notes(invoice_id)
-- The credit notes of an invoice.
select document from invoice where corrects = :invoice_id order by number;

-- name: commissions_of(invoice_id)
-- What each reseller earns of a document.
select reseller_id, sum(base) as base, sum(uplift) as uplift from commission where invoice_id = :invoice_id
group by reseller_id order by reseller_id;

-- name: last_closed(tenant_id)^
-- The newest run of a tenant at a month's beginning that is done.
select boundary, as_of from invoice_run
where tenant_id = :tenant_id and is_done and extract(day from boundary) = 1 order by boundary desc limit 1;

-- name: numbers(first, after)
-- The numbers of documents of whole years, by series, as they are written: `2026/A/000123`.
select number from invoice where number is not null
and extract(year from issued_on) between extract(year from :first::date) and extract(year from :after::date) order by number;

-- name: add_audit(checked_at, from_day, to_day, compared, differences)!
-- An audit's result.
insert into audit (checked_at, from_day, to_day, compared, differences)
values (:checked_at, :from_day, :to_day, :compared, :differences);

-- name: last_audit()^
-- The newest audit's result.
select checked_at, compared, differences from audit order by id desc limit 1;

-- name: lock_invoice(name)^
-- A document by its id or number, held alone: payments and credits of it come one after the other.
select id, tenant_id, number, tipo, document, paid_on from invoice left join invoice_paid on invoice_id = id
where id = :name or number = :name for update of invoice;

-- name: payments(invoice_id)
-- What was paid of a document, in the order of arrival.
select id, reference, amount, received_on from payment where invoice_id = :invoice_id order by stored_at, id;

-- name: add_payment(id, invoice_id, reference, amount, received_on, stored_at)!
-- Money that came, or went back.
insert into payment (id, invoice_id, reference, amount, received_on, stored_at)
values (:id, :invoice_id, :reference, :amount, :received_on, :stored_at);

-- name: mark_paid(id, paid_on)$
-- A document is paid in full; nothing if that is noted already.
insert into invoice_paid (invoice_id, paid_on) values (:id, :paid_on) on conflict do nothing returning invoice_id;

-- name: invoices_of(tenant_id)
-- A tenant's invoices, newest first.
select id from invoice where tenant_id = :tenant_id and tipo = 'TD01' and document is not null order by issued_on desc, number desc limit 1000;

-- name: reservation(tenant_id, key)^
-- What was answered to a key.
select service_id, meter, quantity, allowed, remaining, stored_at from reservation where tenant_id = :tenant_id and key = :key;

-- name: reserved(tenant_id, instant)
-- What is reserved of a tenant's meters at an instant.
select service_id, meter, sum(quantity) as quantity from reservation
where tenant_id = :tenant_id and allowed and expires_at > :instant group by service_id, meter;

-- name: add_reservation(tenant_id, key, service_id, meter, quantity, allowed, remaining, expires_at, stored_at)!
-- An answer, and the usage it reserves.
insert into reservation (tenant_id, key, service_id, meter, quantity, allowed, remaining, expires_at, stored_at)
values (:tenant_id, :key, :service_id, :meter, :quantity, :allowed, :remaining, :expires_at, :stored_at);

-- name: forget_reservations(tenant_id, instant)!
-- Answers of a tenant that are older than any repetition.
delete from reservation where tenant_id = :tenant_id and expires_at < :instant;

-- name: earned_documents(reseller_id)
-- What a reseller earned, by document; of a credit note with the day on which its original was paid.
select i.number, i.tenant_id, i.issued_on, coalesce(o.issued_on, i.issued_on) as earned_on, i.document ->> 'currency' as currency,
       sum(c.base) as base, sum(c.uplift) as uplift, p.paid_on
from commission as c join invoice as i on i.id = c.invoice_id left join invoice as o on o.id = i.corrects
left join invoice_paid as p on p.invoice_id = coalesce(i.corrects, i.id)
where c.reseller_id = :reseller_id group by i.id, o.id, p.paid_on order by i.issued_on, i.number;

-- name: paid_invoices(tenants)
-- Invoices of some tenants that were paid in full, and when.
select tenant_id, issued_on, paid_on from invoice join invoice_paid on invoice_id = id
where tenant_id = any(:tenants::text[]) and tipo = 'TD01';

-- name: settlements_before(reseller_id, quarter)
-- What a reseller carries over into a quarter, by currency: of the newest one before it.
select distinct on (currency) currency, carried_out from settlement
where reseller_id = :reseller_id and quarter < :quarter order by currency, quarter desc;

-- name: settlements(reseller_id, quarter)
-- What was issued to a reseller for a quarter.
select document from settlement where reseller_id = :reseller_id and quarter = :quarter order by currency;

-- name: settled_lines(reseller_id)
-- What stands on the statements of a reseller.
select line ->> 'number' as number, line ->> 'what' as what
from settlement, jsonb_array_elements(document -> 'lines') as line where reseller_id = :reseller_id;

-- name: add_settlement(reseller_id, quarter, currency, document, carried_out, stored_at)!
-- What a reseller is paid for a quarter.
insert into settlement (reseller_id, quarter, currency, document, carried_out, stored_at)
values (:reseller_id, :quarter, :currency, :document, :carried_out, :stored_at);

-- name: earning_resellers()
-- Resellers that have earned something.
select distinct reseller_id from commission order by reseller_id;

-- name: add_transfers(causes, cause_ids, parties, currencies, days, stored_at, debits, credits, amounts)!
-- Transfers of the ledger, each for its cause.
insert into transfer (cause, cause_id, party, currency, booked_on, stored_at, debit, credit, amount)
select c, i, p, u, d, :stored_at, t, r, a
from unnest(:causes::text[], :cause_ids::text[], :parties::text[], :currencies::text[], :days::date[], :debits::text[],
            :credits::text[], :amounts::numeric[]) as b (c, i, p, u, d, t, r, a);

-- name: transfers_of(causes, cause_id)
-- What was booked for a document: by it, or by what resellers earn of it.
select cause, party, currency, debit, credit, amount from transfer where cause = any(:causes::text[]) and cause_id = :cause_id
order by id;

-- name: owed_by_documents(tenant_id)
-- What a tenant has still to pay, by currency, from its documents and payments alone.
select currency, sum(amount) as amount from (
    select document ->> 'currency' as currency,
           case tipo when 'TD04' then -1 else 1 end * (document -> 'totals' ->> 'da_pagare')::numeric as amount
    from invoice where tenant_id = :tenant_id and document is not null
    union all
    select document ->> 'currency', -payment.amount from payment join invoice on invoice.id = payment.invoice_id
    where tenant_id = :tenant_id
) as owed group by currency;

-- name: owed_to_resellers()
-- What each reseller has accrued, and what stands on its statements, by currency, from commissions and statements alone.
select reseller_id, currency, sum(accrued) as accrued, sum(payable) as payable from (
    select reseller_id, document ->> 'currency' as currency, base + uplift as accrued, 0 as payable
    from commission join invoice on invoice.id = invoice_id
    union all
    select reseller_id, currency, -(document ->> 'vested')::numeric,
           (document ->> 'due')::numeric + carried_out - (document ->> 'carried_in')::numeric
    from settlement
) as owed group by reseller_id, currency;

-- name: balances(party)
-- What each account comes to: debits less credits; of one party, or of all (null).
select account, currency, sum(amount) as balance from (
    select debit as account, currency, amount from transfer where :party::text is null or party = :party
    union all
    select credit, currency, -amount from transfer where :party::text is null or party = :party
) as moved group by account, currency order by account, currency;

-- name: balances_by_party(accounts)
-- What some accounts come to for each party: debits less credits.
select party, account, currency, sum(amount) as balance from (
    select party, debit as account, currency, amount from transfer where debit = any(:accounts::text[])
    union all
    select party, credit, currency, -amount from transfer where credit = any(:accounts::text[])
) as moved group by party, account, currency;

-- name: run_of(tenant_id, boundary)^
-- A run of a tenant; null: its first one that is not done.
select boundary, as_of, is_done from invoice_run
where tenant_id = :tenant_id and (boundary = :boundary or (:boundary::date is null and not is_done)) order by boundary limit 1;

-- name: hold_run(tenant_id, boundary, reason, held_at)!
-- A run is not made until it is approved.
insert into invoice_hold (tenant_id, boundary, reason, held_at) values (:tenant_id, :boundary, :reason, :held_at)
on conflict (tenant_id, boundary) do update set reason = excluded.reason;

-- name: held(tenant_id, boundary)$
-- Why a run is held; nothing if it is not.
select reason from invoice_hold where tenant_id = :tenant_id and boundary = :boundary;

-- name: approve_run(tenant_id, boundary)$
-- A run is held no more; nothing if it was not.
delete from invoice_hold where tenant_id = :tenant_id and boundary = :boundary returning boundary;

-- name: drafts(now, limit)
-- The first run of each tenant that is not done, if its boundary has passed or it is held; due first.
select run.tenant_id, external_id, run.boundary, as_of, reason from (
    select distinct on (tenant_id) tenant_id, boundary, as_of from invoice_run where not is_done order by tenant_id, boundary
) as run join tenant on tenant.id = run.tenant_id left join invoice_hold as h on h.tenant_id = run.tenant_id and h.boundary = run.boundary
where run.boundary <= (:now::timestamptz at time zone tenant.zone)::date or reason is not null
order by as_of, run.tenant_id limit :limit;

-- name: oldest_hold()$
-- Since when the run is held that is held longest.
select min(held_at) from invoice_hold;

-- name: add_agreed_price(tenant_id, sku, code, since, until, price, agreed_by, reason, stored_at)!
-- A price agreed with a tenant.
insert into agreed_price (tenant_id, sku, code, since, until, price, agreed_by, reason, stored_at)
values (:tenant_id, :sku, :code, :since, :until, :price, :agreed_by, :reason, :stored_at);

-- name: agreed_prices(tenants, as_ofs)
-- Prices agreed with tenants, in the order of arrival: of each, what was stored up to an instant.
select tenant_id, sku, code, since, until, price, agreed_by, reason from unnest(:tenants::text[], :as_ofs::timestamptz[]) as asked (id, as_of)
join agreed_price on tenant_id = asked.id and stored_at <= as_of order by seq;

-- name: billed_from(tenant_id, component, day)$
-- Whether a component of a tenant is billed for a day or a later one.
select exists (select 1 from charge where tenant_id = :tenant_id and component = :component and day_to > :day);
