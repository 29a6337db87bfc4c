-- migrate:up
-- From an instant on, a service is active, suspended or ended: what a page says depends on when it is looked at.
create table service_state (
    seq bigint generated always as identity primary key,
    service_id text not null,
    state text not null,
    effective_at timestamptz not null,
    reason text
);
create index service_state_of_service on service_state (service_id, effective_at);

-- migrate:down
drop table service_state;
