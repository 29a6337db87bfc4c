-- name: next_revision()$
-- The next revision; holds the registry until the transaction ends, so that revisions leave in order.
update registry set revision = revision + 1 returning revision;

-- name: newest_catalogue()^
-- The catalogue published last: from when on it is in force, and what it says.
select revision, valid_from, content from catalogue order by revision desc limit 1;

-- name: add_catalogue(revision, valid_from, content)!
-- A catalogue that is published.
insert into catalogue (revision, valid_from, content) values (:revision, :valid_from, :content);

-- name: resellers_put(id)
-- Every reseller, or one, as the operator put it, with how many keys are live.
select id, name, webhook_url, webhook_closed_at, contact, profile, revision,
       (select count(*) from api_key where principal = reseller.id and revoked_at is null) as keys
from reseller where :id::text is null or id = :id order by id;

-- name: lock_registry()!
-- Holds the registry until the transaction ends: names are checked one at a time.
select 1 from registry for update;

-- name: revision()$
-- The revision that stands.
select revision from registry;

-- name: put_plan(sku, revision, plan)!
-- A plan on sale.
insert into plan (sku, revision, plan) values (:sku, :revision, :plan)
on conflict (sku) do update set revision = excluded.revision, plan = excluded.plan, on_sale = true;

-- name: withdraw_plans(revision)!
-- Plans that the newest catalogue no longer has are sold no more.
update plan set on_sale = false where revision < :revision;

-- name: put_meter_name(meter, name, need)!
-- A name that a meter reads, and what its events carry: all that was ever asked of them is kept.
insert into meter_name (meter, name, needs) values (:meter, :name, array[:need]) on conflict (meter, name) do update
set needs = case when :need = any(meter_name.needs) then meter_name.needs
                 else array_append(coalesce(meter_name.needs, array['anything']), :need) end;

-- name: meter_names()
-- All names that meters read or have read.
select meter, name, coalesce(needs, array['anything']) as needs from meter_name;

-- name: plans()
-- Every plan that was ever sold, and whether it still is.
select plan, on_sale from plan;

-- name: put_reseller(id, name, webhook_url, webhook_secret, contact, profile, revision)$
-- A reseller; its signing secret stays what it was. Returns whether it is new.
insert into reseller (id, name, webhook_url, webhook_secret, contact, profile, revision)
values (:id, :name, :webhook_url, :webhook_secret, :contact, :profile, :revision)
on conflict (id) do update
set name = excluded.name, webhook_url = excluded.webhook_url, contact = excluded.contact, webhook_closed_at = null,
    profile = excluded.profile, revision = excluded.revision
returning (xmax = 0);

-- name: count_served(reseller_id, now)$
-- How many tenants a reseller serves: those with a service that has not ended, and those that wait for their first one.
select count(*) from tenant where reseller_id = :reseller_id and external_id is not null
  and (not exists (select from service where tenant_id = tenant.id)
       or exists (select from service where tenant_id = tenant.id and (ended_at is null or ended_at > :now)));

-- name: withdraw_reseller(id, revision)$
-- A reseller takes no tenant any more.
update reseller set profile = jsonb_set(profile, '{capacity}', '0'), revision = :revision where id = :id returning profile;

-- name: revoke_keys(principal)!
-- Ends all keys of a principal.
update api_key set revoked_at = now() where principal = :principal and revoked_at is null;

-- name: reseller(id)^
-- A reseller.
select id, name, webhook_url, webhook_secret, webhook_closed_at, contact from reseller where id = :id;

-- name: reseller_revision(id)$
-- With which revision a reseller was put.
select revision from reseller where id = :id;

-- name: notify_by(id)$
-- How a reseller wants to be notified; none for a recipient that is no reseller, or was registered before one could say.
select profile ->> 'notify_by' from reseller where id = :id;

-- name: past_secrets(id, now)
-- The secrets before the current one that still sign along, newest first.
select secret from webhook_secret_past where reseller_id = :id and ends_at > :now order by ends_at desc;

-- name: lock_reseller(id)$
-- Whether there is such a reseller; holds it until the transaction ends, so that its keys are counted one at a time.
select id from reseller where id = :id for update;

-- name: end_past_secrets(id, now)!
-- Secrets whose day is over go.
delete from webhook_secret_past where reseller_id = :id and ends_at <= :now;

-- name: keep_past_secret(id, ends_at)!
-- The current secret is about to be replaced: it signs along until then.
insert into webhook_secret_past (reseller_id, secret, ends_at)
select id, webhook_secret, :ends_at from reseller where id = :id;

-- name: put_webhook_secret(id, webhook_secret)!
-- A new signing secret.
update reseller set webhook_secret = :webhook_secret where id = :id;

-- name: close_webhook(id, at)!
-- The receiver said never again.
update reseller set webhook_closed_at = coalesce(webhook_closed_at, :at) where id = :id;

-- name: webhooks_closed()$
-- How many resellers get nothing, because their receiver said never again.
select count(*) from reseller where webhook_closed_at is not null;

-- name: put_backend(id, name, skus)$
-- A back-end of services. Returns whether it is new.
insert into backend (id, name, skus) values (:id, :name, :skus)
on conflict (id) do update set name = excluded.name, skus = excluded.skus
returning (xmax = 0);

-- name: kind_of(id)$
-- What kind of principal has this name, if any: names are unique over kinds, because events carry only the name.
select 'reseller' from reseller where id = :id union all select 'backend' from backend where id = :id;

-- name: add_key(key_id, kind, principal, secret_hash)!
-- A key.
insert into api_key (key_id, kind, principal, secret_hash) values (:key_id, :kind, :principal, :secret_hash);

-- name: keys_of(principal)
-- The live keys of a principal: what each begins with.
select key_id, created_at from api_key where principal = :principal and revoked_at is null order by created_at, key_id;

-- name: put_webhook_url(id, webhook_url)!
-- Where a reseller's webhooks go from now on; an address that was closed is open again.
update reseller set webhook_url = :webhook_url, webhook_closed_at = null where id = :id;

-- name: recipient_of(id)$
-- To whom a notification goes.
select recipient from notification where id = :id;

-- name: live_keys(principal)$
-- How many keys of a principal are live.
select count(*) from api_key where principal = :principal and revoked_at is null;

-- name: keys(ids)
-- The live keys among ids, with what their holders may do.
select api_key.key_id as id, api_key.kind, api_key.principal, api_key.secret_hash, coalesce(backend.skus, '[]') as skus
from api_key left join backend on api_key.kind = 'backend' and backend.id = api_key.principal
where key_id = any(:ids) and revoked_at is null;

-- name: revoke_key(key_id)$
-- Ends a key.
update api_key set revoked_at = now() where key_id = :key_id and revoked_at is null returning key_id;

-- name: describe_tenant(id, external_id, name)!
-- A tenant's names.
insert into tenant (id, external_id, name) values (:id, :external_id, :name)
on conflict (id) do update set external_id = excluded.external_id, name = excluded.name;

-- name: hold_tenant_keys(ids)
-- The keys of those tenants that have one, held until the transaction ends: they cannot be erased meanwhile.
select tenant_id, sealed_key from tenant_key where tenant_id = any(:ids::text[]) order by tenant_id for share;

-- name: tenant_keys(ids)
-- The keys of those tenants that have one.
select tenant_id, sealed_key from tenant_key where tenant_id = any(:ids::text[]);

-- name: add_tenant_keys(ids, key_ids, sealed_keys)!
-- New keys, in the order of the arrays; where another was quicker, its key stands.
insert into tenant_key (tenant_id, key_id, sealed_key)
select * from unnest(:ids::text[], :key_ids::bytea[], :sealed_keys::bytea[])
on conflict do nothing;

-- name: forget_tenant_key(tenant_id)!
-- Destroys a tenant's key: nothing that was sealed under it can be read any more.
delete from tenant_key where tenant_id = :tenant_id;

-- name: tenants_with_key()
-- Tenants that have a key.
select tenant_id from tenant_key order by tenant_id;

-- name: lock_tenant_key(tenant_id)$
-- A tenant's key as it is kept, held for this transaction.
select sealed_key from tenant_key where tenant_id = :tenant_id for update;

-- name: put_tenant_key(tenant_id, sealed_key)!
-- The same key, sealed under another master key.
update tenant_key set sealed_key = :sealed_key where tenant_id = :tenant_id;

-- name: tenant_key_id(tenant_id)$
-- How sealed bytes name a tenant's key.
select key_id from tenant_key where tenant_id = :tenant_id;

-- name: contacts_of_before(limit)
-- Tenants whose contact an earlier build sealed under the master key.
select tenant.id from tenant left join tenant_key on tenant_key.tenant_id = tenant.id
where contact is not null and substring(contact from 4 for 6) is distinct from key_id
order by tenant.id limit :limit;

-- name: keep_contact(id, contact)!
-- The person to call at a tenant, sealed.
insert into tenant (id, contact) values (:id, :contact)
on conflict (id) do update set contact = coalesce(tenant.contact, excluded.contact);

-- name: erase_contact(id)$
-- Forgets the person at a tenant.
update tenant set contact = null where id = :id returning id;

-- name: set_reseller(id, reseller_id)!
-- Who serves a tenant.
insert into tenant (id, reseller_id) values (:id, :reseller_id)
on conflict (id) do update set reseller_id = excluded.reseller_id;

-- name: tenant(id)^
-- A tenant.
select id, external_id, name, reseller_id, contact from tenant where id = :id;

-- name: reseller_of(tenant_id)$
-- Who serves a tenant.
select reseller_id from tenant where id = :tenant_id;

-- name: tenants(ids)
-- Tenants that a request is about; those known only by a first order's contact are not tenants yet.
select id, reseller_id from tenant where id = any(:ids::text[]) and external_id is not null;

-- name: add_service(id, tenant_id, sku)!
-- A service instance that lives.
insert into service (id, tenant_id, sku) values (:id, :tenant_id, :sku) on conflict do nothing;

-- name: end_service(id, tenant_id, sku, at)!
-- A service instance has ended; of several ends the earliest counts.
insert into service (id, tenant_id, sku, ended_at) values (:id, :tenant_id, :sku, :at)
on conflict (id) do update set ended_at = least(service.ended_at, excluded.ended_at) where service.tenant_id = excluded.tenant_id;

-- name: add_alert(id, tenant_id)!
-- An alert about a tenant.
insert into alert (id, tenant_id) values (:id, :tenant_id) on conflict do nothing;

-- name: alerts(ids)
-- Alerts that a request answers.
select id, tenant_id from alert where id = any(:ids::text[]);

-- name: services(ids)
-- Service instances that a request is about.
select id, tenant_id, sku, ended_at from service where id = any(:ids::text[]);

-- name: accept_order(principal, source, id, content_hash, answer, key, message)$
-- An order that is about to be sent, unless it was accepted before.
insert into accepted_order (principal, source, id, content_hash, answer, state, key, message, tried_at)
values (:principal, :source, :id, :content_hash, :answer, 'sending', :key, :message, clock_timestamp())
on conflict do nothing returning id;

-- name: accepted_orders(principal, sources, ids)
-- Those orders of a request that were accepted before, with the messages to send again of those in flight.
select source, id, content_hash, answer, key, message from accepted_order
where principal = :principal and (source, id) in (select * from unnest(:sources::text[], :ids::text[]));

-- name: orders_sent(principal, sources, ids)!
-- Kafka has these orders.
update accepted_order set state = 'sent', key = null, message = null
where principal = :principal and (source, id) in (select * from unnest(:sources::text[], :ids::text[]));

-- name: orders_to_send_again(seconds, limit)
-- Orders in flight that nobody has tried to send for a while; whoever takes them is the next to try.
update accepted_order set tried_at = clock_timestamp()
where (principal, source, id) in (
    select principal, source, id from accepted_order
    where state = 'sending' and tried_at < clock_timestamp() - make_interval(secs => :seconds)
    order by tried_at limit :limit for update skip locked
)
returning principal, source, id, key, message;

-- name: oldest_order_in_flight()$
-- For how many seconds the oldest order has been in flight; 0 without one.
select coalesce(extract(epoch from now() - min(accepted_at)), 0)::float8 from accepted_order where state = 'sending';

-- name: see_clock(at)$
-- The highest instant that any clock has shown.
insert into clock_seen (at) values (:at) on conflict (one) do update set at = greatest(clock_seen.at, excluded.at)
returning at;

-- name: add_refusals(at, principal, sources, ids, indexes, pointers, reasons, details)!
-- What was refused.
insert into refusal (at, principal, source, id, index, pointer, reason, detail)
select :at, :principal, * from unnest(:sources::text[], :ids::text[], :indexes::int[], :pointers::text[], :reasons::text[], :details::text[]);

-- name: count_refusals(reasons, numbers)!
-- Adds to the totals, in the order of the arrays.
insert into refusal_total (reason, n) select * from unnest(:reasons::text[], :numbers::bigint[])
on conflict (reason) do update set n = refusal_total.n + excluded.n;

-- name: refusals(principal, reason, n, limit)
-- Refusals, newest first: of all senders or of one, from a place on.
select n, at, principal, source, id, index, pointer, reason, detail from refusal
where (:principal::text is null or principal = :principal) and (:reason::text is null or reason = :reason)
  and (:n::bigint is null or n < :n)
order by refusal.n desc limit :limit;

-- name: refusal_counts()
-- Faults by reason, ever.
select reason, n from refusal_total order by reason;

-- name: prune_refusals(kept, before)$
-- Drops all but the newest refusals, and those of before an instant; returns how many.
with gone as (
    delete from refusal where n <= (select max(n) from refusal) - :kept or at < :before returning 1
) select count(*) from gone;

-- name: oldest_refusal()$
-- When the oldest refusal was made that is kept.
select min(at) from refusal;

-- name: prune_orders(days)$
-- Drops answers to orders that are too old to come again; returns how many.
with gone as (
    delete from accepted_order where state = 'sent' and accepted_at < now() - make_interval(days => :days) returning 1
) select count(*) from gone;

-- name: prune_notifications(before)$
-- Drops old lines of the delivery log; returns how many.
with gone as (
    delete from notification where created_at < :before and state <> 'waiting' returning 1
) select count(*) from gone;

-- name: add_notification(id, recipient, channel, about, tenant_id, alert_id, event, created_at)$
-- A notification, once.
insert into notification (id, recipient, channel, about, tenant_id, alert_id, event, created_at)
values (:id, :recipient, :channel, :about, :tenant_id, :alert_id, :event, :created_at)
on conflict do nothing returning id;

-- name: mails_to(recipient, tenant_id, since)$
-- How many notifications went to a recipient about a tenant since then.
select count(*) from notification where recipient = :recipient and created_at > :since and tenant_id = :tenant_id;

-- name: notification_before(id, tenant_id)$
-- A notification by the id that an earlier build gave it.
select id from notification where id = :id and tenant_id = :tenant_id;

-- name: notification(id)^
-- A notification.
select id, recipient, channel, about, tenant_id, alert_id, event, state, attempts from notification where id = :id;

-- name: note_attempt(id, answer)$
-- An attempt, and what came of it; returns how many there were.
update notification set attempts = attempts + 1, last_answer = :answer where id = :id returning attempts;

-- name: settle_notification(id, state, answer, at)^
-- What became of it.
update notification set state = :state, last_answer = :answer, settled_at = :at where id = :id
returning id, recipient, channel, about, tenant_id, alert_id, event, state, attempts;

-- name: reopen_notification(id)^
-- To be sent again, on demand.
update notification set state = 'waiting', settled_at = null where id = :id returning channel, recipient;

-- name: deliveries(recipient, state, alert_id, created_at, id, limit)
-- The delivery log, newest first, from a place on.
select id as notification_id, recipient, channel, about, tenant_id, alert_id, state, attempts, last_answer, created_at, settled_at
from notification
where (:recipient::text is null or recipient = :recipient) and (:state::text is null or state = :state)
  and (:alert_id::text is null or alert_id = :alert_id)
  and (:created_at::timestamptz is null or (created_at, id) < (:created_at, :id::text))
order by created_at desc, notification.id desc limit :limit;

-- name: tenants_with_contact()
-- Tenants at which a person is known.
select id from tenant where contact is not null order by id;

-- name: lock_sealed_tenant(id)^
-- The person at a tenant as it is kept, held for this transaction.
select contact from tenant where id = :id for update;

-- name: put_sealed_tenant(id, contact)!
-- The same person, sealed under another key.
update tenant set contact = :contact where id = :id;

-- name: reseller_ids()
-- Every reseller.
select id from reseller order by id;

-- name: lock_sealed_reseller(id)^
-- What of a reseller is kept sealed, held for this transaction.
select contact, webhook_secret from reseller where id = :id for update;

-- name: put_sealed_reseller(id, contact, webhook_secret)!
-- The same, sealed under another key.
update reseller set contact = :contact, webhook_secret = :webhook_secret where id = :id;

-- name: sealed_past_secrets(reseller_id)
-- The secrets of a reseller before the current one; its row is held.
select secret from webhook_secret_past where reseller_id = :reseller_id;

-- name: put_sealed_past_secret(reseller_id, secret, sealed_again)!
-- The same, sealed under another key.
update webhook_secret_past set secret = :sealed_again where reseller_id = :reseller_id and secret = :secret;

-- name: add_rejected(ids, ats, senders, tenants, sources, event_ids, types, services, reasons, details)
-- What was refused behind the door, in the order of the arrays; gives back the ids of those that are new.
insert into rejected_event (id, at, sender, tenant_id, source, event_id, type, service, reason, detail)
select i, a, p, t, s, e, k, v, r, d from unnest(
    :ids::uuid[], :ats::timestamptz[], :senders::text[], :tenants::text[], :sources::text[], :event_ids::text[],
    :types::text[], :services::text[], :reasons::text[], :details::text[]
) with ordinality as u (i, a, p, t, s, e, k, v, r, d, n) order by n
on conflict (id) do nothing returning id;

-- name: begin_reject_notices(senders, reasons)!
-- Rows to be held, in the order of the arrays.
insert into reject_notice (sender, reason) select * from unnest(:senders::text[], :reasons::text[]) on conflict do nothing;

-- name: hold_reject_notices(senders, reasons)
-- When senders were last notified, and of how many they were not; held until the transaction ends.
select sender, reason, notified_at, more from reject_notice
where (sender, reason) in (select * from unnest(:senders::text[], :reasons::text[]))
order by sender, reason for update;

-- name: put_reject_notice(sender, reason, notified_at, more)!
-- A sender is notified, or has more that it is not notified of yet.
update reject_notice set notified_at = :notified_at, more = :more where sender = :sender and reason = :reason;

-- name: newest_rejected(sender, reason)^
-- The newest of a sender's events that was refused for a reason.
select id, at, sender, tenant_id, source, event_id, type, service, reason, detail from rejected_event
where sender = :sender and reason = :reason order by n desc limit 1;

-- name: resellers_among(ids)
-- Those that are resellers: nobody else has an address for webhooks.
select id from reseller where id = any(:ids::text[]);

-- name: rejected_events(sender, tenant_id, reason, n, limit)
-- What was refused behind the door, newest first: of all senders or of one, from a place on.
select n, at, sender, tenant_id, source, event_id as id, type, service, reason, detail from rejected_event
where (:sender::text is null or sender = :sender) and (:tenant_id::text is null or tenant_id = :tenant_id)
  and (:reason::text is null or reason = :reason) and (:n::bigint is null or n < :n)
order by rejected_event.n desc limit :limit;

-- name: prune_rejected(kept, before)$
-- Drops all but the newest, and those of before an instant; returns how many.
with gone as (
    delete from rejected_event where n <= (select max(n) from rejected_event) - :kept or at < :before returning 1
), forgotten as (
    delete from reject_notice where more = 0 and notified_at < :before
) select count(*) from gone;

-- name: oldest_rejected()$
-- When the oldest was refused that is kept.
select min(at) from rejected_event;

-- name: order_of(principal, order_id)^
-- An order that a sender was answered a 202 for.
select answer ->> 'tenant_id' as tenant_id, accepted_at from accepted_order
where principal = :principal and answer ->> 'order_id' = :order_id order by accepted_at limit 1;

-- name: waiting_deliveries()^
-- Notifications that wait to be delivered, to addresses that are open.
select count(*) as n, min(notification.created_at) as since
from notification left join reseller on reseller.id = recipient where state = 'waiting' and webhook_closed_at is null;
