-- migrate:up

-- The measured names that a meter reads or has ever read: usage sent under any of them is let in.
create table meter_name (
    meter text not null,
    name text not null,
    primary key (meter, name)
);

-- migrate:down
drop table meter_name;
