"""What is looked at first where something stands still: offsets, what is left to send, what is left to do."""

TABLES = {
    "consumer_offset": "select * from consumer_offset order by topic, part",
    "outbox": "select seq, aggregatetype, type from outbox order by seq limit 20",
    "job": "select kind, state, attempt, run_at, leased_until, last_error from job order by run_at limit 20",
}
