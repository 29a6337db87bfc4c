-- migrate:up

-- Whoever serves tenants, or did: what one of them says of a tenant that is another's by now does not count.
create table known_reseller (
    id text primary key
);
insert into known_reseller
select id from reseller union select reseller_id from tenant where reseller_id is not null;

-- migrate:down
drop table known_reseller;
