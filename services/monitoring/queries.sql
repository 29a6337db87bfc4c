-- name: put_plan(sku, revision, heartbeat_seconds)!
-- How often a live service of a plan reports itself.
insert into plan (sku, revision, heartbeat_seconds) values (:sku, :revision, :heartbeat_seconds)
on conflict (sku) do update set revision = excluded.revision, heartbeat_seconds = excluded.heartbeat_seconds
where plan.revision < excluded.revision;

-- name: put_reseller(id, provincia)!
-- Where a reseller's calendar is.
insert into reseller (id, provincia) values (:id, :provincia)
on conflict (id) do update set provincia = excluded.provincia;

-- name: set_reseller(id, reseller_id, distance_km)!
-- Who serves a tenant, and from how far.
insert into tenant (id, reseller_id, distance_km) values (:id, :reseller_id, :distance_km)
on conflict (id) do update set reseller_id = excluded.reseller_id, distance_km = excluded.distance_km;

-- name: note_reseller(id)!
-- Somebody who serves tenants, or did.
insert into known_reseller (id) values (:id) on conflict do nothing;

-- name: is_anothers(tenant_id, principal)$
-- Whether the speaker is a reseller, and the tenant not theirs.
select exists (select from known_reseller where id = :principal)
   and not exists (select from tenant where id = :tenant_id and reseller_id = :principal);

-- name: responsible(tenant_id)^
-- Who serves a tenant, from how far, and in whose calendar.
select tenant.reseller_id, tenant.distance_km, reseller.provincia
from tenant left join reseller on reseller.id = tenant.reseller_id where tenant.id = :tenant_id;

-- name: add_service(id, tenant_id, sku)!
-- A service instance that lives, or was to live.
insert into service (id, tenant_id, sku) values (:id, :tenant_id, :sku) on conflict do nothing;

-- name: unanswered_alerts(at)^
-- Alerts whose answer is late.
select count(*) as n, min(acknowledge_by) as since from alert where state in ('open', 'escalated') and acknowledge_by < :at;

-- name: add_state(service_id, state, effective_at)!
-- From an instant on a service is in a state.
insert into service_state (service_id, state, effective_at) values (:service_id, :state, :effective_at);

-- name: state_at(service_id, at)$
-- The state of a service at an instant; null: active, for nothing else is known. An end is final; of several facts about one instant the last holds.
select state from service_state where service_id = :service_id and effective_at <= :at
order by (state = 'ended') desc, effective_at desc, seq desc limit 1;

-- name: service(id)^
-- A service instance, held, and how often it reports itself.
select service.id, service.tenant_id, service.sku, service.last_beat_at, plan.heartbeat_seconds
from service left join plan on plan.sku = service.sku where service.id = :id for update of service;

-- name: beat(id, at)!
-- The last sign of life; an older one that comes late changes nothing.
update service set last_beat_at = greatest(last_beat_at, :at) where id = :id;

-- name: watched(id)^
-- The last sign of life of a service, and how often one is due; not held.
select service.id, service.tenant_id, service.sku, service.last_beat_at, plan.heartbeat_seconds
from service left join plan on plan.sku = service.sku where service.id = :id;

-- name: way_in(part)^
-- Since when, and until when, the door is known to have let signals into a partition.
select pulse_at, open_since from way_in where part = :part;

-- name: set_way_in(part, pulse_at, open_since)!
-- What the door's pulses in a partition say by now.
insert into way_in (part, pulse_at, open_since) values (:part, :pulse_at, :open_since)
on conflict (part) do update set pulse_at = excluded.pulse_at, open_since = excluded.open_since;

-- name: alert_before(id, tenant_id, since)$
-- A tenant's alert by the id that an earlier build gave it.
select id from alert where id = :id and tenant_id = :tenant_id and opened_at >= :since;

-- name: open_alert(id, fingerprint, tenant_id, service_id, sku, kind, severity, reseller_id, summary, opened_at, acknowledge_by)$
-- An alert, unless one is open for the same trouble.
insert into alert (id, fingerprint, tenant_id, service_id, sku, kind, severity, reseller_id, summary, state, opened_at, acknowledge_by)
values (:id, :fingerprint, :tenant_id, :service_id, :sku, :kind, :severity, :reseller_id, :summary, 'open', :opened_at, :acknowledge_by)
on conflict do nothing returning id;

-- name: lock_alert(id)^
-- An alert, held: of an answer and an escalation at the same moment, one comes first.
select id, tenant_id, service_id, sku, kind, severity, reseller_id, summary, state, acknowledge_by
from alert where id = :id for update;

-- name: lock_open_alert(fingerprint)^
-- The open alert of some trouble, held.
select id, tenant_id, service_id, sku, kind, severity, reseller_id, summary, state, acknowledge_by
from alert where fingerprint = :fingerprint and state <> 'resolved' for update;

-- name: is_known_alert(id)$
-- Whether the fact that an alert is named after has opened it before.
select true from alert where id = :id;

-- name: raise_alert(id, severity, summary, state, acknowledge_by)!
-- An alert that became more severe.
update alert set severity = :severity, summary = :summary, state = :state, acknowledge_by = :acknowledge_by where id = :id;

-- name: open_alert_of(fingerprint)$
-- The open alert of some trouble.
select id from alert where fingerprint = :fingerprint and state <> 'resolved';

-- name: set_state(id, state)!
-- Where an alert stands.
update alert set state = :state where id = :id;

-- name: note_notified(id, at)!
-- When its recipient had it.
update alert set notified_at = least(notified_at, :at) where id = :id;

-- name: counts()
-- Alerts by state.
select state, count(*) as n from alert group by state;
