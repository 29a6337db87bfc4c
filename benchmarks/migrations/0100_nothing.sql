-- migrate:up
create table bench_marker (id int primary key);

-- migrate:down
drop table bench_marker;
