-- name: note_revision(revision)!
-- The catalogue stream is known up to here.
update known_revision set revision = greatest(revision, :revision);

-- name: known_revision()$
-- How much of the catalogue stream is known.
select revision from known_revision;

-- name: put_plan(sku, revision, plan)!
-- A plan in force.
insert into plan (sku, revision, plan) values (:sku, :revision, :plan)
on conflict (sku) do update set revision = excluded.revision, plan = excluded.plan
where plan.revision < excluded.revision;

-- name: withdraw_plans(revision)!
-- Plans that the newest catalogue no longer has cannot be ordered any more.
delete from plan where revision < :revision;

-- name: plans()
-- The plans in force.
select plan from plan;

-- name: put_reseller(id, profile, capacity, active_elsewhere, revision)!
-- What is known of a reseller; the tenants placed here stay counted.
insert into reseller (id, profile, capacity, active_elsewhere, revision)
values (:id, :profile, :capacity, :active_elsewhere, :revision)
on conflict (id) do update
set profile = excluded.profile, capacity = excluded.capacity, active_elsewhere = excluded.active_elsewhere, revision = excluded.revision
where reseller.revision < excluded.revision;

-- name: resellers()
-- All resellers, with the tenants they serve in all.
select profile, active_elsewhere + assigned as active from reseller order by id;

-- name: take_capacity(id)$
-- One place at a reseller, if there is one: of two that want the last, one gets it.
update reseller set assigned = assigned + 1
where id = :id and active_elsewhere + assigned < capacity
returning id;

-- name: force_capacity(id)$
-- One place at a reseller by an operator's decision, whatever its capacity says.
update reseller set assigned = assigned + 1 where id = :id returning profile;

-- name: profile_of(id)$
-- A reseller's profile.
select profile from reseller where id = :id;

-- name: add_tenant(id, external_id, language, vertical, place, registered_at, registered_by)$
-- A firm becomes a tenant, once.
insert into tenant (id, external_id, language, vertical, place, registered_at, registered_by)
values (:id, :external_id, :language, :vertical, :place, :registered_at, :registered_by)
on conflict do nothing returning id;

-- name: lock_tenant(id)^
-- A tenant, held for this transaction.
select id, external_id, language, vertical, place, state, reseller_id, registered_by from tenant where id = :id for update;

-- name: set_tenant_state(id, state)!
-- Where a tenant stands.
update tenant set state = :state where id = :id;

-- name: set_reseller(id, reseller_id)!
-- Who serves a tenant.
update tenant set reseller_id = :reseller_id where id = :id;

-- name: add_order(id, tenant_id, reference, state, effective_at, accepted_at, revision, principal, judged_for, preferred)!
-- An order.
insert into service_order (id, tenant_id, reference, state, effective_at, accepted_at, revision, principal, judged_for, preferred_reseller)
values (:id, :tenant_id, :reference, :state, :effective_at, :accepted_at, :revision, :principal, :judged_for, :preferred);

-- name: orders_among(ids)
-- Those of these orders that are there.
select id, reference, principal from service_order where id = any(:ids::text[]);

-- name: tenant_of_order(id)$
-- Whose an order is.
select tenant_id from service_order where id = :id;

-- name: state_of_order(id)$
-- Where an order stands.
select state from service_order where id = :id;

-- name: sender_of_order(id)$
-- Who sent an order; null for what came through no door.
select principal from service_order where id = :id;

-- name: judge_order(id, reseller_id)!
-- An order goes on for a tenant of this reseller; nobody is waited for any more.
update service_order set judged_for = :reseller_id, state = 'acknowledged' where id = :id;

-- name: add_item(order_id, n, action, sku, service_id, quantities)!
-- An item of an order.
insert into order_item (order_id, n, action, sku, service_id, quantities)
values (:order_id, :n, :action, :sku, :service_id, :quantities);

-- name: lock_order(id)^
-- An order, held for this transaction: who finishes its last item decides what it has come to.
select id, tenant_id, reference, state, effective_at, accepted_at, revision, principal, judged_for, released, preferred_reseller as preferred,
    (select reseller_id from tenant where tenant.id = tenant_id) as reseller_id
from service_order where id = :id for update;

-- name: release_order(id)!
-- A person let an order go on.
update service_order set state = 'acknowledged', released = true where id = :id;

-- name: release_orders(tenant_id)!
-- A person placed the tenant: its orders were looked at.
update service_order set released = true where tenant_id = :tenant_id and state in ('acknowledged', 'held');

-- name: lock_sender(sender)$
-- What one sender has begun is counted by one transaction at a time.
select pg_advisory_xact_lock(hashtextextended('sender ' || :sender, 0));

-- name: count_new_firms(sender, since)$
-- New firms of a sender that were placed with a reseller since then.
select count(*) from tenant where registered_by = :sender and registered_at > :since and reseller_id is not null;

-- name: count_services(sender, since)^
-- Services that a sender began since then, and those of any age that are being made or undone now.
select count(*) filter (where begun_at > :since) as begun,
    count(*) filter (where state in ('provisioning', 'undoing')) as in_progress
from service_instance where ordered_by = :sender;

-- name: set_order_state(id, state)!
-- Where an order stands.
update service_order set state = :state where id = :id;

-- name: open_orders(tenant_id)
-- A tenant's orders that wait to be worked on, the oldest first.
select id, tenant_id, reference, state, effective_at, accepted_at, revision, principal, judged_for, released, preferred_reseller as preferred,
    (select reseller_id from tenant where tenant.id = tenant_id) as reseller_id
from service_order where tenant_id = :tenant_id and state in ('acknowledged', 'held') order by seq for update;

-- name: items(order_id)
-- The items of an order.
select n, action, sku, service_id, quantities, state, fault, begins_at from order_item where order_id = :order_id order by n;

-- name: begin_item_at(order_id, n, at)!
-- When an item is begun with; null: now.
update order_item set begins_at = :at where order_id = :order_id and n = :n;

-- name: due_items(service_id, at)
-- Items of a service whose time has come, as they take effect and were accepted.
select order_id, n from order_item join service_order on service_order.id = order_id
where service_id = :service_id and begins_at <= :at order by begins_at, seq, n;

-- name: ordered_skus(tenant_id)
-- What a tenant has ordered and is not refused: what its reseller must be certified for.
select distinct sku from order_item join service_order on service_order.id = order_id
where tenant_id = :tenant_id and sku is not null and order_item.state <> 'failed';

-- name: settle_item(order_id, n, state, fault)!
-- An item is done, or has failed.
update order_item set state = :state, fault = :fault where order_id = :order_id and n = :n;

-- name: add_service(id, tenant_id, order_id, sku, quantities, plan, state, ordered_by, begun_at)!
-- A service instance to be made, with the plan as it was sold.
insert into service_instance (id, tenant_id, order_id, sku, quantities, plan, state, ordered_by, begun_at)
values (:id, :tenant_id, :order_id, :sku, :quantities, :plan, :state, :ordered_by, :begun_at);

-- name: lock_service(id)^
-- A service instance, held for this transaction.
select id, tenant_id, order_id, sku, quantities, plan, state, steps_done, suspended_because, state_since,
    (select reseller_id from tenant where tenant.id = tenant_id) as reseller_id
from service_instance where id = :id for update;

-- name: service(id)^
-- A service instance.
select id, tenant_id, order_id, sku, quantities, plan, state, steps_done, suspended_because, state_since,
    (select reseller_id from tenant where tenant.id = tenant_id) as reseller_id
from service_instance where id = :id;

-- name: services_that_serve(tenant_id)
-- A tenant's active service instances.
select id, tenant_id, order_id, sku, quantities, plan, state, steps_done, suspended_because, state_since,
    (select reseller_id from tenant where tenant.id = tenant_id) as reseller_id
from service_instance where tenant_id = :tenant_id and state = 'active' order by id;

-- name: services_unbounded(tenant_id, who)
-- A tenant's services that are suspended for a cap, or shall be by an order that is not done yet, and that no reached cap bounds.
select id, tenant_id, order_id, sku, quantities, plan, state, steps_done, suspended_because, state_since,
    (select reseller_id from tenant where tenant.id = tenant_id) as reseller_id
from service_instance as s
where tenant_id = :tenant_id and state in ('active', 'suspended')
  and (suspended_because = 'cap_reached' or exists (
      select from order_item join service_order on service_order.id = order_item.order_id
      where service_order.tenant_id = s.tenant_id and principal = :who and order_item.service_id = s.id
        and action = 'suspend' and order_item.state = 'pending'))
  and not exists (select from reached_cap as cap where cap.tenant_id = s.tenant_id and coalesce(cap.service_id, s.id) = s.id)
order by id;

-- name: note_reached_cap(tenant_id, cap, service_id, until)!
-- A hard cap is reached until a month ends; one on the whole month bounds all services.
insert into reached_cap (tenant_id, cap_hash, service_id, until) values (:tenant_id, sha256(convert_to(:cap, 'UTF8')), :service_id, :until)
on conflict (tenant_id, cap_hash) do update set until = excluded.until;

-- name: forget_reached_cap(tenant_id, cap)!
-- A cap has room again.
delete from reached_cap where tenant_id = :tenant_id and cap_hash = sha256(convert_to(:cap, 'UTF8'));

-- name: forget_past_caps(tenant_id, now)!
-- Caps of months that are over.
delete from reached_cap where tenant_id = :tenant_id and until <= :now;

-- name: suspend_because(id, because)!
-- Why a service is suspended; null: it is not.
update service_instance set suspended_because = :because where id = :id;

-- name: state_since(id, at)!
-- From when on a service is suspended, or serves again.
update service_instance set state_since = :at where id = :id;

-- name: all_services()
-- Every service instance there ever was.
select id from service_instance order by id;

-- name: set_service(id, state, steps_done, undone_from)!
-- How far a service instance is made; and from when on it is undone, the first time that is said.
update service_instance set state = :state, steps_done = :steps_done, undone_from = coalesce(undone_from, :undone_from) where id = :id;

-- name: waiting_tenants()^
-- Tenants that wait for a person to choose their reseller.
select count(*) as n, min(registered_at) as since from tenant where state = 'waiting'
    and exists (select from service_order where tenant_id = tenant.id and service_order.state in ('acknowledged', 'held'));

-- name: waiting_orders()^
-- Orders that wait for a person.
select count(*) as n, min(accepted_at) as since from service_order where state = 'held';

-- name: undoing_services()^
-- Services that are being undone.
select count(*) as n, min(coalesce(undone_from, begun_at)) as since from service_instance where state = 'undoing';

-- name: end_service(id, ended_at, ended_by, retained_until)!
-- A service instance has ended by an order.
update service_instance set state = 'ended', ended_at = :ended_at, ended_by = :ended_by, retained_until = :retained_until where id = :id;

-- name: remove_service(id)^
-- Nothing is left of an ended service instance.
update service_instance set state = 'removed', steps_done = 0 where id = :id returning ended_at, ended_by;

-- name: removals(now)^
-- Ended services whose retention is over and of which something is left.
select count(*) as n, min(retained_until) as since from service_instance where state = 'ended' and retained_until <= :now;

-- name: set_quantities(id, quantities)!
-- What a service instance has from now on.
update service_instance set quantities = :quantities where id = :id;

-- name: active_services(order_id)
-- The service instances that an order made.
select id from service_instance where order_id = :order_id and state = 'active' order by id;

-- name: held_orders(tenant_id)
-- A firm's orders that wait for a person, the oldest first.
select id, tenant_id, reference, state, effective_at, accepted_at, revision, principal, judged_for, released, preferred_reseller as preferred,
    (select reseller_id from tenant where tenant.id = tenant_id) as reseller_id
from service_order where tenant_id = :tenant_id and state = 'held' order by seq for update;

-- name: is_served_or_waits(tenant_id)$
-- Whether a tenant has a service that is there or being made, or an order that may still bring one.
select exists (select from service_instance where tenant_id = :tenant_id and state in ('provisioning', 'active', 'suspended', 'undoing'))
    or exists (select from service_order where tenant_id = :tenant_id
        and state in ('acknowledged', 'held', 'in_progress', 'pending_cancellation'));

-- name: leave_reseller(id)!
-- A tenant that came to nothing has no reseller any more.
update tenant set reseller_id = null, state = 'onboarding' where id = :id;

-- name: give_back_capacity(id)!
-- One place at a reseller is free again.
update reseller set assigned = assigned - 1 where id = :id;

-- name: is_being_made(id, tenant_id, order_id)$
-- Whether another order of the tenant is to make this service and has neither done so nor failed: a change waits for it.
select true from order_item join service_order on service_order.id = order_item.order_id
where order_item.service_id = :id and order_item.action = 'add' and order_item.state = 'pending'
  and service_order.tenant_id = :tenant_id and service_order.id <> :order_id
  and service_order.state in ('acknowledged', 'held', 'in_progress', 'pending_cancellation');
