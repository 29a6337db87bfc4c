-- name: series_of(services, meters)
-- Series of some services and meters.
select no, service_id, meter, version, dimensions from series
where service_id = any(:services::text[]) and meter = any(:meters::text[]);

-- name: make_series(tenants, services, meters, versions, dimensions)
-- Makes series; those that another transaction has just made are returned as well.
insert into series (tenant_id, service_id, meter, version, dimensions, group_hash)
select t, s, m, v, d::jsonb, sha256(convert_to(d::jsonb::text, 'UTF8'))
from unnest(:tenants::text[], :services::text[], :meters::text[], :versions::int[], :dimensions::text[]) as u (t, s, m, v, d)
on conflict (service_id, meter, version, group_hash) do update set meter = excluded.meter
returning no, service_id, meter, version, dimensions;

-- name: add_block(arrived_on, part, first_at, last_at, tenants, ns, log_no, first_offset, offsets, events)!
-- The raw events of a slice.
insert into usage_block (arrived_on, part, first_at, last_at, tenants, ns, log_no, first_offset, offsets, events, with_principal)
values (:arrived_on, :part, :first_at, :last_at, :tenants, :ns, :log_no, :first_offset, :offsets, :events, true);

-- name: log_no(part, log_id)$
-- The number of a log; null when nothing of it was counted yet.
select no from usage_log where part = :part and log_id = :log_id;

-- name: make_log(part, log_id)$
-- Numbers a log; one that another transaction has just numbered keeps its number.
insert into usage_log (part, log_id) values (:part, :log_id)
on conflict (part, log_id) do update set part = excluded.part returning no;

-- name: blocks(tenants, starts, ends)
-- Blocks that may hold events of some tenants in `[starts, ends)`.
select tenants, ns, log_no, first_offset, offsets, events, with_principal from usage_block
where last_at >= :starts and first_at < :ends and tenants && :tenants::int[];

-- name: counted_beyond(instant)$
-- The end of the last quarter of an hour with a counted event, if it lies beyond an instant.
select max(last_at) from usage_block where last_at > :instant;

-- name: block_days()
-- The days that raw events are kept of.
select relname as name from pg_inherits join pg_class on oid = inhrelid
where inhparent = 'usage_block'::regclass order by relname;

-- name: raw_dropped(day)!
-- Raw events that arrived before a day are gone.
insert into raw_kept (one, since) values (true, :day)
on conflict (one) do update set since = greatest(raw_kept.since, excluded.since);

-- name: raw_since()$
-- The day from which on raw events are there; null when none was ever dropped.
select since from raw_kept;

-- name: add_buckets(series, starts, ns, totals, highs, lows, last_ats, last_orders, lasts)!
-- Adds to buckets, in order of their key, so that nobody deadlocks.
insert into meter_bucket as b (series_no, starts, n, total, high, low, last_at, last_order, last)
select * from unnest(:series::int[], :starts::timestamptz[], :ns::bigint[], :totals::numeric[], :highs::numeric[],
                     :lows::numeric[], :last_ats::timestamptz[], :last_orders::bytea[], :lasts::numeric[])
on conflict (series_no, starts) do update set
    n = b.n + excluded.n,
    total = b.total + excluded.total,
    high = greatest(b.high, excluded.high),
    low = least(b.low, excluded.low),
    last_at = case when (excluded.last_at, excluded.last_order) > (b.last_at, b.last_order) then excluded.last_at else b.last_at end,
    last_order = case when (excluded.last_at, excluded.last_order) > (b.last_at, b.last_order) then excluded.last_order else b.last_order end,
    last = case when (excluded.last_at, excluded.last_order) > (b.last_at, b.last_order) then excluded.last else b.last end;

-- name: add_values(series, starts, values)!
-- Distinct values, each once.
insert into meter_value (series_no, starts, value)
select * from unnest(:series::int[], :starts::timestamptz[], :values::uuid[]) on conflict do nothing;

-- name: add_levels(series, ats, orders, levels)!
-- Measured levels.
insert into meter_level (series_no, at, "order", level)
select * from unnest(:series::int[], :ats::timestamptz[], :orders::bytea[], :levels::numeric[]) on conflict do nothing;

-- name: add_late(series, months, ns, totals, seen)!
-- Usage of months that were invoiced already.
insert into late_usage as l (series_no, month, n, total, last_seen)
select series_no, month, n, total, :seen from
    unnest(:series::int[], :months::date[], :ns::bigint[], :totals::numeric[]) as t (series_no, month, n, total)
on conflict (series_no, month) do update
set n = l.n + excluded.n, total = l.total + excluded.total, last_seen = excluded.last_seen;

-- name: late(tenant_id)
-- A tenant's usage that came after its month was invoiced.
select s.service_id, s.meter, l.month, sum(l.n)::bigint as n, sum(l.total) as total, max(l.last_seen) as last_seen
from late_usage l join series s on s.no = l.series_no where s.tenant_id = :tenant_id
group by s.service_id, s.meter, l.month order by l.month, s.service_id, s.meter;

-- name: park(keys, hashes, waits, raws, parts, log_ids, positions, seen)
-- Sets usage aside until it can be judged; returns the keys that were new.
insert into parked_usage (event_key, payload_hash, waits_for, raw, part, log_id, "offset", seen_at)
select *, :seen from unnest(:keys::bytea[], :hashes::bigint[], :waits::text[], :raws::bytea[], :parts::int[], :log_ids::text[],
                     :positions::bigint[])
on conflict do nothing returning event_key;

-- name: parked_hashes(keys)
-- What parked events said, by their hash.
select event_key, payload_hash from parked_usage where event_key = any(:keys::bytea[]);

-- name: unpark(waits_for)
-- Takes what was parked for something.
delete from parked_usage where waits_for = :waits_for returning raw, part, log_id, "offset" as position, seen_at;

-- name: ripe()
-- What parked usage waits for although it is known: its service came while the usage was being set aside.
select distinct p.waits_for from parked_usage p join service s on s.id = p.waits_for limit 100;

-- name: parked()
-- What is parked, by what it waits for.
select waits_for, count(*) as n, min(parked_at) as since from parked_usage group by waits_for order by n desc limit 100;

-- name: series_in(tenant_id, meter)
-- The series of a tenant, of one meter or of all.
select no, service_id, meter, version, dimensions from series
where tenant_id = :tenant_id and (:meter::text is null or meter = :meter) order by service_id, meter, version, no;

-- name: series_of_tenants(tenants)
-- All series of tenants.
select no, service_id, meter, version, dimensions from series where tenant_id = any(:tenants::text[])
order by service_id, meter, version, no;

-- name: count_groups(tenant_id, meter, names)$
-- How many groups a tenant's series make, kept apart by some dimensions.
select count(*) from (
    select distinct service_id, meter, array(
        select coalesce(dimensions ->> name, '') from unnest(:names::text[]) with ordinality as n (name, place) order by place)
    from series where tenant_id = :tenant_id and (:meter::text is null or meter = :meter)
) as groups;

-- name: buckets(series, starts, ends)
-- Buckets of series that begin in `[starts, ends)`.
select series_no, starts, n, total, high, low, last_at, last_order, last from meter_bucket
where series_no = any(:series::int[]) and starts >= :starts and starts < :ends order by series_no, starts;

-- name: fold_windows(numbers, series, starts, ends)
-- The buckets of each numbered window, as one; nothing for a window without any.
select number, sum(n) as n, sum(total) as total, max(high) as high, min(low) as low
from unnest(:numbers::int[], :series::int[], :starts::timestamptz[], :ends::timestamptz[]) as w (number, no, since, until)
join meter_bucket on series_no = no and starts >= since and starts < until group by number;

-- name: newest_of_windows(numbers, series, starts, ends)
-- What the newest event of each numbered window said; nothing for a window without any.
select distinct on (number) number, last
from unnest(:numbers::int[], :series::int[], :starts::timestamptz[], :ends::timestamptz[]) as w (number, no, since, until)
join meter_bucket on series_no = no and starts >= since and starts < until
order by number, last_at desc nulls last, last_order desc;

-- name: distinct_of_windows(numbers, series, starts, ends)
-- How many distinct values each numbered window has; nothing for a window without any.
select number, count(distinct value) as values
from unnest(:numbers::int[], :series::int[], :starts::timestamptz[], :ends::timestamptz[]) as w (number, no, since, until)
join meter_value on series_no = no and starts >= since and starts < until group by number;

-- name: levels_of_windows(numbers, series, starts, ends)
-- The levels of each numbered window, in order: their instants, and what they are.
select number, array_agg(at order by at, "order") as ats, array_agg(level order by at, "order") as levels
from unnest(:numbers::int[], :series::int[], :starts::timestamptz[], :ends::timestamptz[]) as w (number, no, since, until)
join meter_level on series_no = no and at >= since and at < until group by number;

-- name: levels_before_windows(numbers, series, starts, ends)
-- The level that held at the start of each numbered window: that of the last event before it. `ends` are not read.
select distinct on (number) number, level
from unnest(:numbers::int[], :series::int[], :starts::timestamptz[], :ends::timestamptz[]) as w (number, no, since, until)
cross join lateral (select at, "order", level from meter_level where series_no = no and at < since order by at desc, "order" desc limit 1) as last
order by number, at desc, "order" desc;

-- name: values(series, starts, ends)
-- The distinct values of series, by the hour.
select series_no, starts, value from meter_value
where series_no = any(:series::int[]) and starts >= :starts and starts < :ends;

-- name: levels(series, starts, ends)
-- Levels of series in a window, in order.
select series_no, at, "order", level from meter_level
where series_no = any(:series::int[]) and at >= :starts and at < :ends order by at, "order";

-- name: clear(series, starts, ends)!
-- Deletes what is to be summed again.
with b as (delete from meter_bucket where series_no = any(:series::int[]) and starts >= :starts and starts < :ends),
     v as (delete from meter_value where series_no = any(:series::int[]) and starts >= :starts and starts < :ends)
delete from meter_level where series_no = any(:series::int[]) and at >= :starts and at < :ends;

-- name: add_check(checked_at, from_day, to_day, buckets, differences)!
-- The result of a check.
insert into meter_check (checked_at, from_day, to_day, buckets, differences)
values (:checked_at, :from_day, :to_day, :buckets, :differences);

-- name: last_check()^
-- The result of the newest check.
select checked_at, from_day, to_day, buckets, differences from meter_check order by id desc limit 1;

-- name: retracted(tenants)
-- The keys of events of some tenants, by number, that count no more.
select key from retraction where tenant_no = any(:tenants::int[]);

-- name: add_retraction(tenant_no, key, source, event_id, sender, happened_at, reason, stored_at)$
-- An event counts no more; nothing if it was taken back before.
insert into retraction (tenant_no, key, source, event_id, sender, happened_at, reason, stored_at)
values (:tenant_no, :key, :source, :event_id, :sender, :happened_at, :reason, :stored_at) on conflict do nothing returning true;
