-- migrate:up
-- A batch that nobody can read is passed over by an operator (docs/runbooks/VicinoPartitionHalted.md), and noted like any gap.
alter table ingest_gap drop constraint ingest_gap_reason_check;
alter table ingest_gap add constraint ingest_gap_reason_check check (reason in ('retention', 'hole', 'unreadable'));

-- migrate:down
alter table ingest_gap drop constraint ingest_gap_reason_check;
alter table ingest_gap add constraint ingest_gap_reason_check check (reason in ('retention', 'hole'));
