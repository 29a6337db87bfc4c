-- migrate:up
-- What events of a measured name carry: `quantity` or `value`, or `anything` where their meter asks for no one of them.
-- Null: published before this was kept; the door then lets both in.
alter table meter_name add column needs text[];

-- Whose each alert is: an answer to an alert that there is not is refused at the door.
create table alert (
    id text primary key,
    tenant_id text not null
);
insert into alert (id, tenant_id)
select distinct on (alert_id) alert_id, tenant_id from notification where alert_id is not null order by alert_id, created_at;

-- migrate:down
drop table alert;
alter table meter_name drop column needs;
