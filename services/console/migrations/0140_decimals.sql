-- migrate:up
-- Currencies have up to three decimals.
alter table invoice alter column total type numeric;

-- migrate:down
