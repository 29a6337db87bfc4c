-- migrate:up
-- What the operator put can be read back. Null: put before this was kept.
alter table catalogue add column content jsonb;
alter table reseller add column profile jsonb;
alter table reseller add column revision bigint;

-- migrate:down
alter table reseller drop column profile, drop column revision;
alter table catalogue drop column content;
