-- migrate:up
-- From an instant on, a service is active, suspended or ended: facts, in the order of arrival.
create table service_state (
    seq bigint generated always as identity primary key,
    service_id text not null,
    state text not null check (state in ('active', 'suspended', 'ended')),
    effective_at timestamptz not null,
    stored_at timestamptz not null
);
create index service_state_of_service on service_state (service_id);
create trigger final before update or delete or truncate on service_state execute function refuse_change();

-- migrate:down
drop table service_state;
