-- name: ensure_fence(topic, part, log_id)!
-- The fence row of a log that may be new: FOR UPDATE on no row would lock nothing.
insert into consumer_offset (topic, part, log_id, next_offset)
values (:topic, :part, :log_id, 0)
on conflict do nothing;

-- name: lock_fence(topic, part, log_id)$
-- The fence: whoever holds this row is the only one who may take this log further.
select next_offset from consumer_offset
where topic = :topic and part = :part and log_id = :log_id
for update;

-- name: move_fence(topic, part, log_id, next_offset)!
-- Progress, in the same transaction as its effects.
update consumer_offset set next_offset = :next_offset, updated_at = now()
where topic = :topic and part = :part and log_id = :log_id;

-- name: next_offsets()
-- How far each log was acted on.
select topic, part, log_id, next_offset from consumer_offset;

-- name: next_offset(topic, part, log_id)$
-- Where a log stands, without locking: what a consumer seeks to.
select next_offset from consumer_offset
where topic = :topic and part = :part and log_id = :log_id;

-- name: record_gap(topic, part, log_id, from_offset, to_offset, reason)!
-- Offsets that will never be seen here.
insert into ingest_gap (topic, part, log_id, from_offset, to_offset, reason)
values (:topic, :part, :log_id, :from_offset, :to_offset, :reason)
on conflict do nothing;

-- name: remember_events(event_keys, content_hashes)
-- Takes events into the inbox; returns the keys that were new.
insert into inbox (event_key, content_hash)
select * from unnest(:event_keys::uuid[], :content_hashes::bigint[])
on conflict do nothing
returning event_key;

-- name: known_events(event_keys)
-- What the inbox holds of these keys, with the hash of their content.
select event_key, content_hash from inbox where event_key = any(:event_keys::uuid[]);

-- name: known_before_principals(event_keys)
-- What the inbox holds of these keys, while it may hold some that were made without a principal.
select event_key, content_hash from inbox
where exists (select from inbox_before_principals) and event_key = any(:event_keys::uuid[]);

-- name: end_keys_before(days)!
-- Ends the time in which keys without a principal are looked for: a week more than the window, for copies stopped late.
delete from inbox_before_principals where until < now() - make_interval(days => :days + 7);

-- name: forget_events(event_keys)!
-- A rejected event has not acted: it may come again after repair.
delete from inbox where event_key = any(:event_keys::uuid[]);

-- name: prune_inbox(days, limit)$
-- Drops ids older than the window, a lot at a time, past those that another copy is dropping; returns how many.
with old as (
    select event_key from inbox where seen_at < now() - make_interval(days => :days) limit :limit for update skip locked
), gone as (
    delete from inbox using old where inbox.event_key = old.event_key returning 1
)
select count(*) from gone;

-- name: keep_rejects(topics, parts, log_ids, positions, tenants, reasons, details, keys, raws, headers)!
-- Keeps records that could not be acted on. The same record refused again is the same reject.
insert into reject (topic, part, log_id, "offset", tenant_id, reason, detail, key, raw, headers)
select t, p, l, o, n, r, d, k, v, h::jsonb from unnest(
    :topics::text[], :parts::int[], :log_ids::text[], :positions::bigint[], :tenants::text[], :reasons::text[],
    :details::text[], :keys::bytea[], :raws::bytea[], :headers::text[]) as u (t, p, l, o, n, r, d, k, v, h)
on conflict do nothing;

-- name: list_rejects(reason, settled, limit)
-- The newest rejects, of one reason or of all; `settled`: also those that were sent again or dismissed.
select id, topic, part, "offset" as position, tenant_id, reason, detail, raw, first_seen, replayed_at, dismissed_at, dismissed_because
from reject where (:reason::text is null or reason = :reason) and (:settled or (replayed_at is null and dismissed_at is null))
order by id desc limit :limit;

-- name: dismiss_rejects(ids, because)
-- Rejects that need not be sent again; returns those that were not settled before.
update reject set dismissed_at = now(), dismissed_because = :because
where id = any(:ids::bigint[]) and replayed_at is null and dismissed_at is null returning id;

-- name: lock_rejects(ids, reason)
-- Rejects to be sent again, by id or by reason, that are not settled yet.
select id, topic, key, raw, headers from reject
where replayed_at is null and dismissed_at is null and (id = any(:ids::bigint[]) or reason = :reason)
order by id for update;

-- name: mark_replayed(ids)!
-- These rejects were sent again.
update reject set replayed_at = now() where id = any(:ids::bigint[]);

-- name: count_rejects()
-- How many rejects there are, by reason.
select reason, count(*) as n from reject group by reason order by reason;

-- name: prune_rejects(days, limit)$
-- Drops rejects that are too old, a lot at a time, past those that another copy is dropping; returns how many.
with old as (
    select id from reject where first_seen < now() - make_interval(days => :days) limit :limit for update skip locked
), gone as (
    delete from reject using old where reject.id = old.id returning 1
)
select count(*) from gone;

-- name: oldest_reject()$
-- For how many seconds the oldest reject has been kept; 0 without one.
select coalesce(extract(epoch from now() - min(first_seen)), 0)::float8 from reject;

-- name: add_facts(ids, topics, subjects, types, keys, payloads, headers)!
-- Facts into the outbox, in the order of the arrays.
insert into outbox (id, aggregatetype, aggregateid, type, key, payload, headers)
select f.id, f.topic, f.subject, f.type, f.key, f.payload, f.headers::jsonb
from unnest(:ids::uuid[], :topics::text[], :subjects::text[], :types::text[], :keys::bytea[], :payloads::bytea[], :headers::text[])
    with ordinality as f (id, topic, subject, type, key, payload, headers, n)
order by f.n;

-- name: try_relay_lock()$
-- One relay of a service at a time; the lock ends with the transaction.
select pg_try_advisory_xact_lock(hashtext(current_schema()), 1);

-- name: oldest_facts(limit)
-- The facts to send next, in order.
select seq, aggregatetype as topic, aggregateid as subject, key, payload, headers from outbox order by seq limit :limit;

-- name: remove_facts(seqs)!
-- Kafka has these facts from all in-sync replicas.
delete from outbox where seq = any(:seqs::bigint[]);

-- name: outbox_size()$
-- How many facts wait.
select count(*) from outbox;

-- name: notify(what)!
-- Wake whoever of this service listens, when this transaction commits.
select pg_notify('vicino_' || current_schema() || '_' || :what, '');

-- name: job_places(n)
-- Places in the order of jobs, for `n` jobs.
select nextval(pg_get_serial_sequence('job', 'seq')) as seq from generate_series(1, :n);

-- name: add_jobs*!
-- Jobs. With a key there is at most one of its kind: asking again moves it, to the end of its lane too.
insert into job (id, kind, key, args, run_at, seq, lane, limit_name, limit_places, party, correlation_id, causation_id)
values (:id, :kind, :key, :args, :run_at, :seq, :lane, :limit_name, :limit_places, :party,
    :correlation_id, :causation_id)
on conflict (kind, key) do update
set id = excluded.id, args = excluded.args, run_at = excluded.run_at, attempt = 0, state = 'waiting',
    lease_token = null, leased_until = null, last_error = null, first_tried_at = null, failing_since = null, delay_told = false,
    seq = excluded.seq, lane = excluded.lane, limit_name = excluded.limit_name,
    limit_places = excluded.limit_places, party = excluded.party,
    correlation_id = excluded.correlation_id, causation_id = excluded.causation_id;

-- name: cancel_job(kind, key)!
-- Removes a keyed job.
delete from job where kind = :kind and key = :key;

-- name: lock_leasing(timeout)$
-- One copy of a service leases at a time, so that a budget holds over all; a copy that is paused here is cut off.
select set_config('idle_in_transaction_session_timeout', :timeout, true),
    pg_advisory_xact_lock(hashtext(current_schema()), 2);

-- name: lease_jobs(kinds, room, lease_seconds, trying, resting, now)
-- Leases due jobs, at most `room` of each kind and no more than their limits have places. Due is judged by the injected
-- clock, leases by the database's. A limit in `trying` has one place, one in `resting` none. A group is what shares a kind, a
-- limit and a party. Of a lane only the head, its first, may run: heads are looked up once, and not for each that waits behind.
with recursive wanted as (
    select * from unnest(:kinds::text[], :room::int[], :lease_seconds::float8[]) as k (kind, room, lease_seconds)
), limits as (
    select kind, room, first.limit_name, first.limit_places, first.party
    from wanted cross join lateral (
        select limit_name, limit_places, party from job
        where job.kind = wanted.kind and state = 'waiting' order by limit_name, party, run_at, seq limit 1
    ) as first
    union all
    select kind, room, next.limit_name, next.limit_places, next.party
    from limits cross join lateral (
        select limit_name, limit_places, party from job
        where job.kind = limits.kind and state = 'waiting' and job.limit_name > limits.limit_name
        order by limit_name, party, run_at, seq limit 1
    ) as next
), budgets as materialized (
    select limits.kind, limits.limit_name, limits.party, busy.n as busy,
        case when limits.limit_name = '' then room
             when limits.limit_name = any(:resting::text[]) then 0
             when limits.limit_name = any(:trying::text[]) then least(1, limit_places) - busy.n
             else limit_places - busy.n end as places
    from limits cross join lateral (
        select case when limits.limit_name = '' then 0 else count(*) end as n from job
        where job.limit_name = limits.limit_name and limits.limit_name <> ''
          and lease_token is not null and leased_until >= clock_timestamp()
    ) as busy
), groups as (
    select kind, limit_name, party, busy, places from budgets where places > 0
    union all
    select groups.kind, groups.limit_name, next.party, busy, places
    from groups cross join lateral (
        select party from job
        where job.kind = groups.kind and state = 'waiting' and job.limit_name = groups.limit_name
          and job.party > groups.party
        order by party limit 1
    ) as next
), heads as materialized (
    select head.id
    from (select distinct lane from job where lane is not null and state = 'waiting' and run_at <= :now) as due
    cross join lateral (
        select id from job where job.lane = due.lane and state = 'waiting' order by seq limit 1
    ) as head
), candidates as (
    select groups.kind, groups.limit_name, places, busy, waiting.id, waiting.run_at, waiting.seq,
        of_party.n + row_number() over (partition by groups.kind, groups.limit_name, groups.party
                                        order by waiting.run_at, waiting.seq) as turn
    from groups join wanted using (kind)
    cross join lateral (
        select count(*) as n from job
        where groups.party <> '' and job.limit_name = groups.limit_name and job.party = groups.party
          and lease_token is not null and leased_until >= clock_timestamp()
    ) as of_party
    cross join lateral (
        select id, run_at, seq from job
        where job.kind = groups.kind and job.limit_name = groups.limit_name and job.party = groups.party
          and state = 'waiting' and run_at <= :now and (leased_until is null or leased_until < clock_timestamp())
          and (lane is null or id in (select id from heads))
        order by run_at, seq limit least(room, places)
    ) as waiting
), of_limit as (
    select *, busy + row_number() over (partition by limit_name, case when limit_name = '' then kind end
                                        order by turn, run_at, seq) as place
    from candidates
), of_kind as (
    select *, row_number() over (partition by kind order by place, run_at, seq) as n
    from of_limit where limit_name = '' or place - busy <= places
), due as (
    select job.id, wanted.lease_seconds
    from of_kind join wanted using (kind) join job using (id)
    where n <= room and job.state = 'waiting'
      and (job.leased_until is null or job.leased_until < clock_timestamp())
    for update of job skip locked
)
update job
set lease_token = gen_random_uuid(), attempt = attempt + 1, first_tried_at = coalesce(first_tried_at, :now),
    leased_until = clock_timestamp() + make_interval(secs => due.lease_seconds)
from due where job.id = due.id
returning job.id, job.kind, job.key, job.args, job.attempt, job.lease_token, job.limit_name, job.first_tried_at, job.delay_told,
    job.correlation_id, job.causation_id;

-- name: remove_job(id, lease_token)$
-- Ends a job, if the lease is still ours.
delete from job where id = :id and lease_token = :lease_token returning id;

-- name: retry_job(id, lease_token, run_at, last_error, now)!
-- Gives a job back until `run_at`.
update job set lease_token = null, leased_until = null, run_at = :run_at, last_error = :last_error,
    failing_since = coalesce(failing_since, :now)
where id = :id and lease_token = :lease_token;

-- name: note_delay_told(id, lease_token)$
-- Those who wait for a job know that it fails; true if the lease is still ours and they did not know before.
update job set delay_told = true where id = :id and lease_token = :lease_token and not delay_told returning true;

-- name: release_job(id, lease_token)!
-- Gives a job back untried: the process stops.
update job set lease_token = null, leased_until = null, attempt = attempt - 1,
    first_tried_at = case when attempt > 1 then first_tried_at end
where id = :id and lease_token = :lease_token;

-- name: postpone_job(id, lease_token, run_at, last_error, now)!
-- Gives a job back untried until `run_at`. That it waits is seen as any failure is.
update job set lease_token = null, leased_until = null, attempt = attempt - 1, run_at = :run_at,
    first_tried_at = case when attempt > 1 then first_tried_at end, last_error = :last_error,
    failing_since = coalesce(failing_since, :now)
where id = :id and lease_token = :lease_token;

-- name: fail_job(id, lease_token, last_error)!
-- Keeps a job whose attempts are used up, for a person to look at.
update job set state = 'failed', lease_token = null, leased_until = null, last_error = :last_error
where id = :id and lease_token = :lease_token;

-- name: job_counts(now)
-- Jobs by kind: due now, waiting for later, failed; how long the oldest is due, and how long one has failed by now.
select kind,
       count(*) filter (where state = 'waiting' and run_at <= :now) as due,
       count(*) filter (where state = 'waiting' and run_at > :now) as later,
       count(*) filter (where state = 'failed') as failed,
       coalesce(extract(epoch from :now - min(run_at) filter (where state = 'waiting' and run_at <= :now)), 0)::float8
           as overdue_seconds,
       coalesce(extract(epoch from :now - min(failing_since) filter (where state = 'waiting')), 0)::float8
           as failing_seconds
from job group by kind order by kind;

-- name: list_jobs(state, limit)
-- Jobs in a state, the oldest first.
select id, kind, key, limit_name, failing_since, run_at, attempt, last_error from job
where state = :state or (:state = 'failing' and state = 'waiting' and failing_since is not null)
order by created_at limit :limit;

-- name: retry_failed(ids)
-- Failed jobs get all their attempts again; returns those that had failed.
update job set state = 'waiting', attempt = 0, last_error = null, first_tried_at = null, failing_since = null,
    delay_told = false
where state = 'failed' and id = any(:ids::uuid[])
returning id;

-- name: try_now(ids)
-- Jobs that fail and wait for their next attempt are due now; returns those that did. Whoever asks does not know the service's
-- clock; by it, they were due when they first failed.
update job set run_at = failing_since
where state = 'waiting' and failing_since is not null and id = any(:ids::uuid[])
returning id;

-- name: make_due(kind, limit_name, now)$
-- Jobs of a kind and a limit that wait are due now, with all their attempts; returns how many.
with moved as (
    update job set run_at = :now, attempt = 0 where kind = :kind and limit_name = :limit_name and state = 'waiting' and lease_token is null
    returning 1
) select count(*) from moved;

-- name: failing_jobs(kind, limit)
-- Jobs of a kind that fail and are tried on, the oldest first, with their arguments.
select id, args, failing_since, run_at, attempt, last_error from job
where kind = :kind and state = 'waiting' and failing_since is not null
order by created_at limit :limit;

-- name: park(topic, part, log_id, position, written_ms, subject, reason, key, raw, headers, limit)$
-- Keeps a record that waits, unless as many of its subject wait already; returns its id.
insert into parked (topic, part, log_id, "offset", written_ms, subject, reason, key, raw, headers)
select :topic, :part, :log_id, :position, :written_ms, :subject, :reason, :key, :raw, :headers::text::jsonb
where (select count(*) from parked where topic = :topic and subject = :subject) < :limit
returning id;

-- name: lock_parked(topic, subjects)
-- What waits of some subjects of a topic, in the order in which it came.
select id, topic, part, log_id, "offset" as position, written_ms, subject, reason, key, raw, headers, parked_at,
    extract(epoch from clock_timestamp() - parked_at)::float8 as waited_seconds
from parked where topic = :topic and subject = any(:subjects::text[]) order by id for update;

-- name: due_parked(limit)
-- Subjects of which something is due to be tried again, the one that waits longest first.
select topic, subject from parked where next_try_at <= clock_timestamp()
group by topic, subject order by min(id) limit :limit;

-- name: wait_on(id, seconds)!
-- Tries a record again after some seconds.
update parked set next_try_at = clock_timestamp() + make_interval(secs => :seconds) where id = :id;

-- name: unpark(id)!
-- Lets go of a record that waited.
delete from parked where id = :id;

-- name: oldest_parked()$
-- For how many seconds the oldest record has waited; 0 when none does.
select coalesce(extract(epoch from clock_timestamp() - min(parked_at)), 0)::float8 from parked;
