-- migrate:up

-- Whether those who wait for a job were told that it has failed for a while.
alter table job add column delay_told boolean not null default false;

-- migrate:down
alter table job drop column delay_told;
