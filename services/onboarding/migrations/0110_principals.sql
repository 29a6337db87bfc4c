-- migrate:up

-- Who sent an order, and the reseller whose tenant it was when that was judged: if it is another's by the time the order
-- is planned, the order is judged again. Orders of earlier builds have no principal, and go on as they did.
alter table service_order add column principal text, add column judged_for text;

-- Who brought the firm in.
alter table tenant add column registered_by text;

-- migrate:down
alter table tenant drop column registered_by;
alter table service_order drop column judged_for, drop column principal;
