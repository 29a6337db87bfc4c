-- Effects count how often they happened: a missing row was lost, a count above one was doubled.
create table record_effect (id text primary key, n int not null default 1);
create table job_effect (id text primary key, n int not null default 1);
create table job_call (id text not null, at timestamptz not null default now());
