-- migrate:up

-- Since this migration the key of usage is a hash of (tenant, principal, source, id). Keys of (tenant, source, id) are
-- looked up as long as a generation may hold some. An earlier build names neither column, so the default is right for it.
alter table key_generation add column with_principal boolean not null default false;

-- Of equal instants the key decides which is the later: each block is read again with the keys it was counted by.
alter table usage_block add column with_principal boolean not null default false;

-- Whoever serves tenants, or did: usage of one of them counts for its own tenants only.
create table reseller (
    id text primary key
);
insert into reseller select distinct reseller_id from tenant where reseller_id is not null;

-- migrate:down
drop table reseller;
alter table usage_block drop column with_principal;
alter table key_generation drop column with_principal;
