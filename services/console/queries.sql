-- name: describe_tenant(id, external_id, name, details)!
-- A tenant's names.
insert into tenant (id, external_id, name, details) values (:id, :external_id, :name, :details)
on conflict (id) do update set external_id = excluded.external_id, name = excluded.name, details = excluded.details;

-- name: assign_tenant(id, reseller_id, distance_km, score, assigned_by, ranking)!
-- Who serves a tenant, and why.
insert into tenant (id, reseller_id, distance_km, score, assigned_by, ranking)
values (:id, :reseller_id, :distance_km, :score, :assigned_by, :ranking)
on conflict (id) do update
set reseller_id = excluded.reseller_id, distance_km = excluded.distance_km, score = excluded.score,
    assigned_by = excluded.assigned_by, ranking = excluded.ranking,
    state = case when tenant.state = 'waiting' then 'onboarding' else tenant.state end;

-- name: tenant_waits(id, ranking)!
-- A tenant that no rule could place.
insert into tenant (id, state, ranking) values (:id, 'waiting', :ranking)
on conflict (id) do update set state = 'waiting', ranking = excluded.ranking where tenant.reseller_id is null;

-- name: tenant_active(id)!
-- A tenant that is served.
insert into tenant (id, state) values (:id, 'active') on conflict (id) do update set state = 'active';

-- name: put_order(id, tenant_id, reference, state, rank, accepted_at, ended_at, reason, explanation)!
-- Where an order stands; a later stage is never overwritten by an earlier one that comes late.
insert into service_order (id, tenant_id, reference, state, rank, accepted_at, ended_at, reason, explanation)
values (:id, :tenant_id, :reference, :state, :rank, :accepted_at, :ended_at, :reason, :explanation)
on conflict (id) do update
set state = excluded.state, rank = excluded.rank, reference = excluded.reference,
    accepted_at = coalesce(excluded.accepted_at, service_order.accepted_at), ended_at = excluded.ended_at,
    reason = excluded.reason, explanation = excluded.explanation
where service_order.rank <= excluded.rank;

-- name: order_goes_on(id)!
-- What an order waited for is there: the wait is over.
update service_order set state = 'in_progress', reason = null, explanation = null where id = :id and state in ('delayed', 'scheduled');

-- name: put_service(id, tenant_id, sku, state, quantities, effective_at, explanation)!
-- A service instance.
insert into service (id, tenant_id, sku, state, quantities, effective_at, explanation)
values (:id, :tenant_id, :sku, :state, :quantities, :effective_at, :explanation)
on conflict (id) do update
set sku = excluded.sku, state = excluded.state, quantities = excluded.quantities,
    effective_at = coalesce(service.effective_at, excluded.effective_at), explanation = excluded.explanation;

-- name: add_service_state(service_id, state, effective_at, reason)!
-- From an instant on a service is in a state.
insert into service_state (service_id, state, effective_at, reason) values (:service_id, :state, :effective_at, :reason);

-- name: put_reseller(id, revision, profile)!
-- A reseller.
insert into reseller (id, revision, profile) values (:id, :revision, :profile)
on conflict (id) do update set revision = excluded.revision, profile = excluded.profile
where reseller.revision < excluded.revision;

-- name: put_invoice(id, tenant_id, number, issued_on, total, document, open)!
-- An issued document.
insert into invoice (id, tenant_id, number, issued_on, total, document, open)
values (:id, :tenant_id, :number, :issued_on, :total, :document, :open) on conflict do nothing;

-- name: credit_invoice(number, tenant_id, amount)!
-- A credit note lowers what is open of its invoice.
update invoice set open = open - :amount where number = :number and tenant_id = :tenant_id;

-- name: pay_invoice(id, open)!
-- What is open of an invoice after a payment.
update invoice set open = :open where id = :id;

-- name: mark_paid(id, paid_on)!
-- An invoice is paid in full.
update invoice set paid_on = :paid_on where id = :id;

-- name: mark_overdue(id)!
-- An invoice is overdue.
update invoice set overdue = true where id = :id;

-- name: put_cap(tenant_id, service_id, meters, amount, hard, since)!
-- A spending cap; notices of an earlier cap of the same meters do not belong to this one.
insert into cap (tenant_id, service_id, meters_hash, meters, amount, hard, since)
values (:tenant_id, :service_id, sha256(convert_to(array_to_string(:meters::text[], ' '), 'UTF8')), :meters, :amount, :hard, :since)
on conflict (tenant_id, service_id, meters_hash) do update
set amount = excluded.amount, hard = excluded.hard, since = excluded.since, month = null, percent = null, spent = null, forecast = null;

-- name: lift_cap(tenant_id, service_id, meters)!
-- A spending cap is gone.
delete from cap where tenant_id = :tenant_id and service_id = :service_id and meters_hash = sha256(convert_to(array_to_string(:meters::text[], ' '), 'UTF8'));

-- name: note_spent(tenant_id, service_id, meters, month, percent, spent)!
-- A share of a cap is spent in a month; what was foreseen for another month is gone.
update cap set percent = :percent, spent = :spent, forecast = case when month = :month then forecast end, month = :month
where tenant_id = :tenant_id and service_id = :service_id and meters_hash = sha256(convert_to(array_to_string(:meters::text[], ' '), 'UTF8'));

-- name: note_forecast(tenant_id, service_id, meters, month, spent, forecast)!
-- A cap will be passed in a month.
update cap set percent = case when month = :month then percent end, spent = :spent, forecast = :forecast, month = :month
where tenant_id = :tenant_id and service_id = :service_id and meters_hash = sha256(convert_to(array_to_string(:meters::text[], ' '), 'UTF8'));

-- name: caps(tenant_id, limit, offset)
-- A tenant's spending caps, with the newest share that was reported: those on its whole month, then those on meters.
select currency, service_id, sku, meters, amount, hard, since, month, percent, spent, forecast from (
    select currency, null as service_id, null as sku, null::text[] as meters, amount, hard, since, month, percent, spent, forecast
    from tenant_cap where tenant_id = :tenant_id
    union all
    select null, cap.service_id, service.sku, meters, amount, hard, since, month, percent, spent, forecast
    from cap left join service on service.id = cap.service_id where cap.tenant_id = :tenant_id
) as found order by currency, sku, service_id, meters limit :limit offset :offset;

-- name: put_tenant_cap(tenant_id, currency, amount, hard, since)!
-- A cap on a tenant's whole month; notices of an earlier one do not belong to this one.
insert into tenant_cap (tenant_id, currency, amount, hard, since) values (:tenant_id, :currency, :amount, :hard, :since)
on conflict (tenant_id, currency) do update
set amount = excluded.amount, hard = excluded.hard, since = excluded.since, month = null, percent = null, spent = null, forecast = null;

-- name: lift_tenant_cap(tenant_id, currency)!
-- A cap on a tenant's whole month is gone.
delete from tenant_cap where tenant_id = :tenant_id and currency = :currency;

-- name: note_tenant_spent(tenant_id, currency, month, percent, spent)!
-- A share of it is spent in a month; what was foreseen for another month is gone.
update tenant_cap set percent = :percent, spent = :spent, forecast = case when month = :month then forecast end, month = :month
where tenant_id = :tenant_id and currency = :currency;

-- name: note_tenant_forecast(tenant_id, currency, month, spent, forecast)!
-- It will be passed in a month.
update tenant_cap set percent = case when month = :month then percent end, spent = :spent, forecast = :forecast, month = :month
where tenant_id = :tenant_id and currency = :currency;

-- name: open_alert(id, tenant_id, document)!
-- An alert.
insert into alert (id, tenant_id, document) values (:id, :tenant_id, :document)
on conflict (id) do update set tenant_id = excluded.tenant_id, document = excluded.document;

-- name: raise_alert(id, changes)!
-- An alert that became more severe: an earlier acknowledgement was of something less.
update alert set document = document || :changes::jsonb, acknowledged_at = null where id = :id;

-- name: stamp_alert(id, notified_at, acknowledged_at, escalated_at, resolved_at)!
-- What happened to an alert, and when; the first time counts.
insert into alert (id, notified_at, acknowledged_at, escalated_at, resolved_at)
values (:id, :notified_at, :acknowledged_at, :escalated_at, :resolved_at)
on conflict (id) do update
set notified_at = coalesce(alert.notified_at, excluded.notified_at),
    acknowledged_at = coalesce(alert.acknowledged_at, excluded.acknowledged_at),
    escalated_at = coalesce(alert.escalated_at, excluded.escalated_at),
    resolved_at = coalesce(alert.resolved_at, excluded.resolved_at);

-- name: put_delivery(id, tenant_id, alert_id, recipient, channel, about, state, attempts, at, explanation)!
-- What became of a notification.
insert into delivery (id, tenant_id, alert_id, recipient, channel, about, state, attempts, at, explanation)
values (:id, :tenant_id, :alert_id, :recipient, :channel, :about, :state, :attempts, :at, :explanation)
on conflict (id) do update
set state = excluded.state, attempts = excluded.attempts, at = excluded.at, explanation = excluded.explanation;

-- name: tenants(id, state, reseller_id, q, sort, limit, offset)
-- Tenants with the newest of their services: all, one, those in a state, of a reseller, or with words in what names them.
select tenant.id as tenant_id, external_id, name, details, state, reseller_id, distance_km, score, assigned_by, ranking,
       services_of(tenant.id) as services
from tenant where (:id::text is null or tenant.id = :id) and (:state::text is null or state = :state)
  and (:reseller_id::text is null or reseller_id = :reseller_id)
  and (:q::text is null or strpos(lower(concat_ws(' ', external_id, name, details ->> 'partita_iva', details -> 'place' ->> 'comune', tenant.id)), lower(:q)) > 0)
order by case :sort::text when 'name' then lower(name) when 'state' then state when 'reseller' then reseller_id when 'town' then details -> 'place' ->> 'comune' end,
         external_id, tenant.id limit :limit offset :offset;

-- name: orders(id, tenant_id, state, q, sort, limit, offset)
-- Orders, newest first or oldest first: of all or of one tenant, one, in a state, or with words in what names them.
select service_order.id as order_id, tenant_id, tenant.external_id, tenant.name, reference, service_order.state,
       accepted_at, ended_at as completed_at, reason, explanation
from service_order left join tenant on tenant.id = tenant_id
where (:id::text is null or service_order.id = :id) and (:tenant_id::text is null or tenant_id = :tenant_id)
  and (:state::text is null or service_order.state = :state)
  and (:q::text is null or strpos(lower(concat_ws(' ', reference, external_id, name, service_order.id)), lower(:q)) > 0)
order by case when :sort::text = 'oldest' then accepted_at end nulls last, accepted_at desc nulls last, reference, service_order.id limit :limit offset :offset;

-- name: resellers(id, q, limit, offset)
-- Resellers, with the tenants placed here: all, one, or with words in what names them.
select reseller.id as reseller_id, profile, count(tenant.id) as assigned
from reseller left join tenant on tenant.reseller_id = reseller.id
where (:id::text is null or reseller.id = :id)
  and (:q::text is null or strpos(lower(concat_ws(' ', reseller.id, profile ->> 'name', profile -> 'place' ->> 'comune')), lower(:q)) > 0)
group by reseller.id, profile order by reseller.id limit :limit offset :offset;

-- name: invoices(tenant_id, id, state, q, sort, limit, offset)
-- Invoices, newest first or the largest first: of all, of one tenant, one, in a state, or with words in what names them.
select * from (select invoice.id as invoice_id, tenant_id, external_id, name, details, number, issued_on as date, total, document, invoice.open, paid_on,
       case when invoice.open is null then 'credit' when invoice.open < 0 then 'overpaid' when invoice.open = 0 then 'paid' when overdue then 'overdue' else 'open' end as state
from invoice left join tenant on tenant.id = tenant_id
where (:tenant_id::text is null or tenant_id = :tenant_id) and (:id::text is null or invoice.id = :id)
  and (:q::text is null or strpos(lower(concat_ws(' ', number, external_id, name)), lower(:q)) > 0)) as found
where :state::text is null or state = :state
order by case when :sort::text = 'largest' then total end desc nulls last, date desc, number desc, invoice_id limit :limit offset :offset;

-- name: park_invoice(tenant_id, boundary, since, explanation)!
-- A run fails.
insert into parked_invoice (tenant_id, boundary, since, explanation) values (:tenant_id, :boundary, :since, :explanation)
on conflict (tenant_id, boundary) do update set since = excluded.since, explanation = excluded.explanation;

-- name: release_invoice(tenant_id, boundary)!
-- It went through.
delete from parked_invoice where tenant_id = :tenant_id and boundary = :boundary;

-- name: put_settlement(reseller_id, quarter, currency, issued_at, document)!
-- A statement. It is never altered.
insert into settlement (reseller_id, quarter, currency, issued_at, document)
values (:reseller_id, :quarter, :currency, :issued_at, :document) on conflict do nothing;

-- name: settlements(limit, offset)
-- Statements, the newest quarter first.
select settlement.reseller_id, profile ->> 'name' as name, issued_at, document
from settlement left join reseller on reseller.id = settlement.reseller_id
order by quarter desc, settlement.reseller_id, currency limit :limit offset :offset;

-- name: parked_invoices(limit, offset)
-- Runs that fail or are held, the oldest first.
select tenant_id, external_id, name, boundary, since, explanation
from parked_invoice left join tenant on tenant.id = tenant_id
order by since, tenant_id, boundary limit :limit offset :offset;

-- name: alerts(id, tenant_id, state, q, sort, limit, offset)
-- Alerts, newest first or by when an answer is due: of all or of one tenant, one, in a state, or with words in what names them.
select * from (
    select alert.id as alert_id, alert.tenant_id, external_id, name, document, notified_at, acknowledged_at, escalated_at, resolved_at,
           alert_state(acknowledged_at, escalated_at, resolved_at) as state
    from alert left join tenant on tenant.id = alert.tenant_id
    where document is not null and (:id::text is null or alert.id = :id) and (:tenant_id::text is null or alert.tenant_id = :tenant_id)
      and (:q::text is null or strpos(lower(concat_ws(' ', external_id, name, document ->> 'summary', document ->> 'reseller_id')), lower(:q)) > 0)
) as found where :state::text is null or state = :state
order by case when :sort::text = 'due' then document ->> 'acknowledge_by' end nulls last, document ->> 'opened_at' desc, alert_id limit :limit offset :offset;

-- name: figures(order_states)^
-- What there is in all: tenants served and waiting, orders and alerts that wait, what was invoiced.
select (select count(*) from tenant where state = 'active') as tenants_active,
       (select count(*) from tenant where state = 'waiting') as tenants_waiting,
       (select count(*) from service_order where state = any (:order_states::text[])) as orders_waiting,
       (select count(*) from alert where document is not null and resolved_at is null and acknowledged_at is null) as alerts_waiting,
       (select count(*) from invoice) as invoices,
       (select coalesce(sum((document -> 'totals' ->> 'imponibile')::numeric * case document ->> 'tipo_documento' when 'TD04' then -1 else 1 end), 0) from invoice) as invoiced_total;

-- name: invoiced(limit)
-- Whom most was invoiced to, net.
select coalesce(external_id, tenant_id) as label, sum((document -> 'totals' ->> 'imponibile')::numeric * case document ->> 'tipo_documento' when 'TD04' then -1 else 1 end) as value
from invoice left join tenant on tenant.id = tenant_id
group by 1 order by value desc, label limit :limit;

-- name: deliveries(id, alert_id, recipient, state, q, limit, offset)
-- Notifications, newest first: all, one, of an alert, to a recipient, in a state, or with words in what names them.
select delivery.id as notification_id, delivery.tenant_id, external_id, name, alert_id, recipient, channel, about, delivery.state, attempts, at, explanation
from delivery left join tenant on tenant.id = delivery.tenant_id
where (:id::text is null or delivery.id = :id) and (:alert_id::text is null or alert_id = :alert_id)
  and (:recipient::text is null or recipient = :recipient) and (:state::text is null or delivery.state = :state)
  and (:q::text is null or strpos(lower(concat_ws(' ', recipient, about, external_id, name)), lower(:q)) > 0)
order by at desc, delivery.id limit :limit offset :offset;

-- name: waiting(order_states, failed_since, limit)
-- What waits for a person, the latest first: an alert from when its answer was due, everything else from when it began to wait.
-- What has failed is over, and waits only for a look: it is among them for a while, and would else fill the page for ever.
select * from (
    select 'tenant' as kind, id as object, id as tenant_id, external_id, name, state, null::text as what, null::text as why, ranking,
           (select min(accepted_at) from service_order where tenant_id = tenant.id) as since, null::timestamptz as due
    from tenant where state = 'waiting'
    union all
    select 'order', o.id, o.tenant_id, external_id, name, o.state, reference, explanation, '[]', coalesce(o.ended_at, o.accepted_at), null
    from service_order as o left join tenant on tenant.id = o.tenant_id
    where o.state = any (:order_states::text[]) and not (o.state = 'held' and coalesce(tenant.state, '') = 'waiting')
      and (o.state <> 'failed' or coalesce(o.ended_at, o.accepted_at) > :failed_since)
    union all
    select 'alert', alert.id, alert.tenant_id, external_id, name, alert_state(acknowledged_at, escalated_at, resolved_at),
           document ->> 'severity', document ->> 'summary', '[]', (document ->> 'opened_at')::timestamptz, (document ->> 'acknowledge_by')::timestamptz
    from alert left join tenant on tenant.id = alert.tenant_id where document is not null and resolved_at is null and acknowledged_at is null
    union all
    select 'delivery', delivery.id, delivery.tenant_id, external_id, name, delivery.state, recipient, explanation, '[]', at, null
    from delivery left join tenant on tenant.id = delivery.tenant_id where delivery.state = 'failed' and at > :failed_since
    union all
    select 'invoice', boundary::text, parked_invoice.tenant_id, external_id, name, 'parked', boundary::text, explanation, '[]', since, null
    from parked_invoice left join tenant on tenant.id = parked_invoice.tenant_id
) as found order by coalesce(due, since) nulls first, kind, object limit :limit;

-- name: months(limit)
-- How business goes, the newest month first: what was invoiced, net, and which services began and ended. Months of UTC.
with invoiced as (
    select date_trunc('month', issued_on)::date as month,
           sum((document -> 'totals' ->> 'imponibile')::numeric * case document ->> 'tipo_documento' when 'TD04' then -1 else 1 end) as net
    from invoice group by 1
), begun as (
    select date_trunc('month', effective_at at time zone 'UTC')::date as month, count(*) as n from service where effective_at is not null group by 1
), ended as (
    select date_trunc('month', effective_at at time zone 'UTC')::date as month, count(distinct service_id) as n from service_state where state = 'ended' group by 1
)
select month, coalesce(net, 0) as net, coalesce(begun.n, 0) as begun, coalesce(ended.n, 0) as ended
from invoiced full join begun using (month) full join ended using (month) order by month desc limit :limit;

-- name: add_act(id, at, who, kind, object, tenant_id, detail)$
-- What an operator asks for; none when it was asked for before.
insert into act (id, at, who, kind, object, tenant_id, detail) values (:id, :at, :who, :kind, :object, :tenant_id, :detail)
on conflict do nothing returning id;

-- name: settle_act(id, outcome, explanation)!
-- What came of it.
update act set outcome = :outcome, explanation = :explanation where id = :id;

-- name: acts(object, limit, offset)
-- What operators did, newest first: everything, or to one thing, a tenant with its services.
select act.id, at, who, kind, object, act.tenant_id, tenant.external_id, tenant.name, detail, outcome, explanation
from act left join tenant on tenant.id = act.tenant_id where :object::text is null or object = :object or (act.tenant_id = :object and kind in ('suspend', 'resume', 'end'))
order by at desc, act.id limit :limit offset :offset;

-- name: open_session(digest, who, opened_at, expires_at)!
-- Somebody signed in.
insert into console_session (digest, who, opened_at, expires_at) values (:digest, :who, :opened_at, :expires_at);

-- name: who_is_in(digest, at)$
-- Whose session with this id is open and has not expired; none when there is none.
select who from console_session where digest = :digest and expires_at > :at;

-- name: close_session(digest)!
-- Somebody signed out.
delete from console_session where digest = :digest;

-- name: prune_sessions(at)!
-- Drops what has expired.
delete from console_session where expires_at <= :at;

-- name: read_tenants(reseller_id, id, state, external_id, after_id, limit)
-- Tenants of all resellers or of one, by their names, from a place on, with the newest of their services and their newest order.
select tenant.id as tenant_id, external_id, name, details, state, reseller_id, distance_km, assigned_by,
       services_of(tenant.id) as services,
       (select to_jsonb(o) from (
            select id as order_id, tenant_id, reference, service_order.state, accepted_at, ended_at, reason, explanation
            from service_order where tenant_id = tenant.id order by accepted_at desc nulls last, id desc limit 1) as o) as newest_order
from tenant
where external_id is not null and (:reseller_id::text is null or reseller_id = :reseller_id) and (:id::text is null or tenant.id = :id)
  and (:state::text is null or state = :state)
  and (:external_id::text is null or (external_id, tenant.id) > (:external_id, :after_id::text))
order by external_id, tenant.id limit :limit;

-- name: read_orders(reseller_id, tenant_id, state, accepted_at, after_id, limit)
-- Orders of the tenants of all resellers or of one, newest first, from a place on.
select service_order.id as order_id, tenant_id, external_id, name, reference, service_order.state, accepted_at, ended_at, reason, explanation,
       coalesce(accepted_at, 'epoch') as place
from service_order left join tenant on tenant.id = tenant_id
where (:reseller_id::text is null or reseller_id = :reseller_id) and (:tenant_id::text is null or tenant_id = :tenant_id)
  and (:state::text is null or service_order.state = :state)
  and (:accepted_at::timestamptz is null or (coalesce(accepted_at, 'epoch'), service_order.id) < (:accepted_at, :after_id::text))
order by place desc, service_order.id desc limit :limit;

-- name: read_order(id)^
-- One order, with the reseller of its tenant.
select service_order.id as order_id, tenant_id, external_id, name, reference, service_order.state, accepted_at, ended_at, reason, explanation,
       reseller_id
from service_order left join tenant on tenant.id = tenant_id where service_order.id = :id;

-- name: read_alerts(reseller_id, tenant_id, id, state, opened_at, after_id, limit)
-- Alerts about the tenants of all resellers or of one, newest first, from a place on.
select * from (
    select alert.id as alert_id, alert.tenant_id, external_id, name, document, notified_at, acknowledged_at, escalated_at, resolved_at,
           document ->> 'opened_at' as place,
           alert_state(acknowledged_at, escalated_at, resolved_at) as state
    from alert left join tenant on tenant.id = alert.tenant_id
    where document is not null and (:reseller_id::text is null or tenant.reseller_id = :reseller_id)
      and (:tenant_id::text is null or alert.tenant_id = :tenant_id) and (:id::text is null or alert.id = :id)
) as found
where (:state::text is null or state = :state) and (:opened_at::text is null or (place, alert_id) < (:opened_at, :after_id::text))
order by place desc, alert_id desc limit :limit;

-- name: read_invoices(reseller_id, tenant_id, id, state, issued_on, number, after_id, limit)
-- Documents of the tenants of all resellers or of one, newest first, from a place on.
select * from (
    select invoice.id as invoice_id, tenant_id, external_id, name, number, issued_on, document, invoice.open, paid_on,
           case when invoice.open is null then 'credit' when invoice.open < 0 then 'overpaid' when invoice.open = 0 then 'paid'
                when overdue then 'overdue' else 'open' end as state
    from invoice left join tenant on tenant.id = tenant_id
    where (:reseller_id::text is null or reseller_id = :reseller_id) and (:tenant_id::text is null or tenant_id = :tenant_id)
      and (:id::text is null or invoice.id = :id)
) as found
where (:state::text is null or state = :state)
  and (:issued_on::date is null or (issued_on, number, invoice_id) < (:issued_on, :number::text, :after_id::text))
order by issued_on desc, number desc, invoice_id desc limit :limit;

-- name: read_statements(reseller_id, quarter, after_reseller_id, currency, limit)
-- Statements of all resellers or of one, the newest quarter first, from a place on.
select reseller_id, quarter, currency, issued_at, document from settlement
where (:reseller_id::text is null or reseller_id = :reseller_id)
  and (:quarter::text is null or (quarter, reseller_id, currency) < (:quarter, :after_reseller_id::text, :currency::text))
order by quarter desc, reseller_id desc, currency desc limit :limit;
