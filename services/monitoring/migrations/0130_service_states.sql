-- migrate:up
-- From an instant on, a service is active, suspended or ended; only the silence of an active one is trouble.
create table service_state (
    seq bigint generated always as identity primary key,
    service_id text not null,
    state text not null check (state in ('active', 'suspended', 'ended')),
    effective_at timestamptz not null
);
create index service_state_of_service on service_state (service_id);

-- migrate:down
drop table service_state;
