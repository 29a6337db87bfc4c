-- migrate:up
-- What was paid of a document, or paid back (negative). A reference is the payer's bank's own: one payment, once.
create table payment (
    id uuid primary key,
    invoice_id text not null,
    reference text not null,
    amount numeric not null check (amount <> 0),
    received_on date not null,
    stored_at timestamptz not null
);
create unique index payment_reference on payment (invoice_id, reference);

-- When a document was paid in full, first.
alter table invoice add column paid_on date;
create index invoice_corrects on invoice (corrects) where corrects is not null;

-- migrate:down
