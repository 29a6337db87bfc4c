-- migrate:up

-- An index takes rows of 2,704 bytes; the values of a group may be longer. So series are unique by a hash of their group.
alter table series add column group_hash bytea;
update series set group_hash = sha256(convert_to(dimensions::text, 'UTF8'));
alter table series alter column group_hash set not null;
alter table series drop constraint series_service_id_meter_version_dimensions_key;
alter table series add unique (service_id, meter, version, group_hash);

-- migrate:down
alter table series drop column group_hash;
alter table series add unique (service_id, meter, version, dimensions);
