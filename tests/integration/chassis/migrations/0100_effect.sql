-- migrate:up
create table effect (id text primary key, n int not null default 1);

-- migrate:down
drop table effect;
