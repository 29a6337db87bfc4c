-- migrate:up

-- Records of earlier builds named persons in clear. What is kept of such records in tables gets the stand-ins that records
-- have today (schemas/persons.py); what is no event stays as it is, and goes by its age.
create function without_persons(raw bytea) returns bytea language plpgsql as $$
declare
    said jsonb;
begin
    said := convert_from(raw, 'UTF8')::jsonb;
    if said #> '{data,tenant,contact}' is not null then
        said := jsonb_set(said, '{data,tenant,contact}',
            '{"name": "sealed", "phone": "00000", "email": "sealed@invalid"}');
    end if;
    if said ->> 'type' in ('vicino.acknowledgement.given.v1', 'vicino.resolution.given.v1') then
        said := jsonb_set(said, '{data,by}', to_jsonb(coalesce(said ->> 'principal', '-')), false);
        said := jsonb_set(said, '{data,note}', '""', false);
    end if;
    if said ->> 'type' = 'vicino.assignment.decided.v1' then
        said := jsonb_set(said, '{data,reason}', '""', false);
    end if;
    return convert_to(said::text, 'UTF8');
exception when others then
    return raw;
end
$$;

update reject set raw = without_persons(raw)
where raw is not null and (position('"contact"'::bytea in raw) > 0 or position('.given.v1'::bytea in raw) > 0
    or position('.assignment.decided.v1'::bytea in raw) > 0);
update parked set raw = without_persons(raw)
where position('"contact"'::bytea in raw) > 0 or position('.given.v1'::bytea in raw) > 0
    or position('.assignment.decided.v1'::bytea in raw) > 0;
update outbox set payload = without_persons(payload)
where payload is not null and (position('"contact"'::bytea in payload) > 0 or position('.given.v1'::bytea in payload) > 0
    or position('.assignment.decided.v1'::bytea in payload) > 0);

drop function without_persons(bytea);

-- migrate:down
select 'what was said of persons is gone';
