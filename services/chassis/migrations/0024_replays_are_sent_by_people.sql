-- migrate:up

-- Rejects were sent again through the outbox. A service may no longer write to a topic that it only reads, so one that has
-- not left yet would hold up all facts behind it: it is a reject again, to be sent with `vicino rejects replay`.
with unsent as (
    delete from outbox where type = 'replay' returning aggregatetype as topic, payload
)
update reject set replayed_at = null
from unsent
where reject.topic = unsent.topic and reject.raw is not distinct from unsent.payload and reject.replayed_at is not null;

-- migrate:down
select 1;
