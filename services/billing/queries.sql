-- name: put_plan(sku, revision, currency, plan)!
-- A plan in force.
insert into plan (sku, revision, currency, plan) values (:sku, :revision, :currency, :plan)
on conflict (sku) do update set revision = excluded.revision, currency = excluded.currency, plan = excluded.plan
where plan.revision < excluded.revision;

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

-- name: plan(sku)^
-- The plan of a SKU.
select plan, currency from plan where sku = :sku;

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
select id, no, external_id, zone, currency, reseller_id from tenant where id = :id;

-- name: tenants()
-- All tenants, in order.
select id, no, external_id, zone, currency, reseller_id from tenant order by id;

-- name: tenants_beyond(id, limit)
-- The next tenants, in order.
select id, no, external_id, zone, currency, reseller_id from tenant where id > :id order by id limit :limit;

-- name: lock_tenant(id)^
-- A tenant, held alone: nothing of it is counted meanwhile.
select id, no, external_id, zone, currency, reseller_id from tenant where id = :id for update;

-- name: share_tenants(ids)
-- Tenants whose usage is about to be counted: nothing of them is closed meanwhile. In order, so that nobody deadlocks.
select id, no, zone, closed_until, reseller_id from tenant where id = any(:ids::text[]) order by id for share;

-- name: close_until(id, instant)!
-- Usage before this instant is invoiced.
update tenant set closed_until = :instant where id = :id;

-- name: add_service(id, tenant_id, sku, item, activated_at, plan)$
-- A service instance, with the plan as it was sold; nothing if it is known.
insert into service (id, tenant_id, sku, item, activated_at, plan)
values (:id, :tenant_id, :sku, :item, :activated_at, :plan)
on conflict do nothing returning id;

-- name: services(tenant_id)
-- A tenant's services, in the order documents show them.
select id, activated_at, plan from service where tenant_id = :tenant_id order by activated_at, item, id;

-- name: services_by_id(ids)
-- The services that usage is about.
select id, tenant_id, activated_at, plan from service where id = any(:ids::text[]);

-- name: add_quantities(service_id, effective_at, names, quantities)!
-- Quantities from an instant on.
insert into quantity_fact (service_id, effective_at, name, quantity)
select :service_id, :effective_at, * from unnest(:names::text[], :quantities::numeric[]);

-- name: quantity_facts(service_id)
-- A service's quantities over time, in the order they were told.
select name, effective_at, quantity from quantity_fact where service_id = :service_id order by seq;

-- name: add_tally(part, outcomes, reasons, ns)!
-- Adds to the account of what became of usage.
insert into usage_tally (part, outcome, reason, n)
select :part, * from unnest(:outcomes::text[], :reasons::text[], :ns::bigint[])
on conflict (part, outcome, reason) do update set n = usage_tally.n + excluded.n;

-- name: tally()
-- What became of usage, in all.
select outcome, reason, sum(n)::bigint as n from usage_tally group by outcome, reason order by outcome, reason;

-- name: billed(service_id)
-- What was billed of a service's recurring components, by days.
select component, day_from, day_to, units_billed, net from charge where service_id = :service_id and kind = 'recurring' order by id;

-- name: has_setup(service_id)$
-- Whether a service's set-up fee was charged.
select exists (select 1 from charge where service_id = :service_id and kind = 'setup');

-- name: is_first_service(tenant_id)$
-- Whether a tenant has exactly one service now: its first invoice is to be planned.
select count(*) = 1 from service where tenant_id = :tenant_id;

-- name: invoice(id)^
-- An issued document.
select id, tenant_id, number, document from invoice where id = :id;

-- name: open_invoice(id, tenant_id, boundary, issued_on)$
-- One run for a tenant and boundary, ever; nothing if there was one.
insert into invoice (id, tenant_id, boundary, issued_on) values (:id, :tenant_id, :boundary, :issued_on)
on conflict do nothing returning id;

-- name: next_number(series, year)$
-- The next number of a series, without gaps: it is lost if the transaction is.
insert into invoice_series (series, year, last_number) values (:series, :year, 1)
on conflict (series, year) do update set last_number = invoice_series.last_number + 1
returning last_number;

-- name: issue_invoice(id, number, document)!
-- The document, final.
update invoice set number = :number, document = :document where id = :id;

-- name: add_charge(invoice_id, tenant_id, service_id, kind, component, meter, description, quantity, unit_price, net, day_from, day_to, units_billed)!
-- A charge into the ledger.
insert into charge (invoice_id, tenant_id, service_id, kind, component, meter, description, quantity, unit_price, net, day_from, day_to, units_billed)
values (:invoice_id, :tenant_id, :service_id, :kind, :component, :meter, :description, :quantity, :unit_price, :net, :day_from, :day_to, :units_billed);

-- name: charges_of(invoice_id)
-- The ledger rows behind an invoice.
select service_id, kind, component, meter, description, quantity, unit_price, net, day_from, day_to, units_billed
from charge where invoice_id = :invoice_id order by id;
