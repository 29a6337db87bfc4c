-- Generated from the migrations by `make schema-sql`. Do not edit; nothing runs this file.
CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception '% is final: rows are added, never changed', tg_table_name using errcode = 'restrict_violation';
end
$$;

CREATE TABLE agreed_price (
    seq bigint NOT NULL,
    tenant_id text NOT NULL,
    sku text NOT NULL,
    code text NOT NULL,
    since date NOT NULL,
    until date,
    price numeric NOT NULL,
    agreed_by text NOT NULL,
    reason text NOT NULL,
    stored_at timestamp with time zone NOT NULL,
    CONSTRAINT agreed_price_check CHECK ((until > since)),
    CONSTRAINT agreed_price_price_check CHECK ((price >= (0)::numeric))
);

ALTER TABLE agreed_price ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME agreed_price_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE assignment (
    seq bigint NOT NULL,
    tenant_id text NOT NULL,
    reseller_id text NOT NULL,
    since date NOT NULL,
    stored_at timestamp with time zone NOT NULL
);

ALTER TABLE assignment ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME assignment_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE audit (
    id bigint NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    from_day date NOT NULL,
    to_day date NOT NULL,
    compared bigint NOT NULL,
    differences bigint NOT NULL
);

ALTER TABLE audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE cap_notice (
    tenant_id text NOT NULL,
    service_id text NOT NULL,
    meters_hash bytea NOT NULL,
    month date NOT NULL,
    percent integer NOT NULL
);

CREATE TABLE catalogue_seen (
    one boolean NOT NULL,
    revision bigint NOT NULL,
    changed bigint DEFAULT 0 NOT NULL,
    CONSTRAINT catalogue_seen_one_check CHECK (one)
);

CREATE TABLE charge (
    id bigint NOT NULL,
    invoice_id text,
    tenant_id text NOT NULL,
    service_id text NOT NULL,
    kind text NOT NULL,
    component text NOT NULL,
    meter text NOT NULL,
    description text NOT NULL,
    quantity numeric(38,12) NOT NULL,
    unit_price numeric(23,8) NOT NULL,
    net numeric NOT NULL,
    day_from date NOT NULL,
    day_to date NOT NULL,
    units_billed numeric(38,12) NOT NULL,
    CONSTRAINT charge_check CHECK ((day_from < day_to)),
    CONSTRAINT charge_kind_check CHECK ((kind = ANY (ARRAY['setup'::text, 'recurring'::text, 'usage'::text, 'cap'::text]))),
    CONSTRAINT charge_quantity_check CHECK ((quantity >= (0)::numeric))
);

ALTER TABLE charge ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME charge_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE commission (
    invoice_id text NOT NULL,
    line integer NOT NULL,
    reseller_id text NOT NULL,
    net numeric NOT NULL,
    base numeric NOT NULL,
    uplift numeric NOT NULL
);

CREATE TABLE consumer_offset (
    topic text NOT NULL,
    part integer NOT NULL,
    log_id text NOT NULL,
    next_offset bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT consumer_offset_next_offset_check CHECK ((next_offset >= 0))
);

CREATE TABLE dirty_period (
    tenant_id text NOT NULL,
    month date NOT NULL
);

CREATE UNLOGGED TABLE epoch (
    one boolean NOT NULL,
    id uuid NOT NULL,
    CONSTRAINT epoch_one_check CHECK (one)
);

CREATE TABLE inbox (
    event_key uuid NOT NULL,
    content_hash bigint NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE inbox_before_principals (
    one boolean DEFAULT true NOT NULL,
    until timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT inbox_before_principals_one_check CHECK (one)
);

CREATE TABLE ingest_gap (
    topic text NOT NULL,
    part integer NOT NULL,
    log_id text NOT NULL,
    from_offset bigint NOT NULL,
    to_offset bigint NOT NULL,
    reason text NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ingest_gap_check CHECK ((from_offset <= to_offset)),
    CONSTRAINT ingest_gap_reason_check CHECK ((reason = ANY (ARRAY['retention'::text, 'hole'::text, 'unreadable'::text])))
);

CREATE TABLE invoice (
    id text NOT NULL,
    tenant_id text NOT NULL,
    boundary date NOT NULL,
    number text,
    issued_on date NOT NULL,
    document jsonb,
    tipo text DEFAULT 'TD01'::text NOT NULL,
    corrects text
);

CREATE TABLE invoice_hold (
    tenant_id text NOT NULL,
    boundary date NOT NULL,
    reason text NOT NULL,
    held_at timestamp with time zone NOT NULL
);

CREATE TABLE invoice_paid (
    invoice_id text NOT NULL,
    paid_on date NOT NULL
);

CREATE TABLE invoice_run (
    tenant_id text NOT NULL,
    boundary date NOT NULL,
    as_of timestamp with time zone NOT NULL,
    is_done boolean DEFAULT false NOT NULL
);

CREATE TABLE invoice_series (
    series text NOT NULL,
    year integer NOT NULL,
    last_number bigint NOT NULL
);

CREATE TABLE job (
    id uuid NOT NULL,
    kind text NOT NULL,
    key text,
    args jsonb NOT NULL,
    run_at timestamp with time zone NOT NULL,
    state text DEFAULT 'waiting'::text NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    lease_token uuid,
    leased_until timestamp with time zone,
    correlation_id text,
    causation_id text,
    last_error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    seq bigint NOT NULL,
    lane text,
    limit_name text DEFAULT ''::text NOT NULL,
    limit_places integer,
    party text DEFAULT ''::text NOT NULL,
    first_tried_at timestamp with time zone,
    failing_since timestamp with time zone,
    delay_told boolean DEFAULT false NOT NULL,
    CONSTRAINT job_attempt_check CHECK ((attempt >= 0)),
    CONSTRAINT job_check CHECK (((lease_token IS NULL) = (leased_until IS NULL))),
    CONSTRAINT job_check1 CHECK (((limit_name = ''::text) = (limit_places IS NULL))),
    CONSTRAINT job_limit_places_check CHECK ((limit_places > 0)),
    CONSTRAINT job_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'failed'::text])))
);

ALTER TABLE job ALTER COLUMN seq ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME job_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE key_generation (
    no integer NOT NULL,
    started_at timestamp with time zone NOT NULL,
    with_principal boolean DEFAULT false NOT NULL
);

CREATE TABLE late_usage (
    series_no integer NOT NULL,
    month date NOT NULL,
    n bigint NOT NULL,
    total numeric,
    last_seen timestamp with time zone NOT NULL
);

CREATE TABLE meter_bucket (
    series_no integer NOT NULL,
    starts timestamp with time zone NOT NULL,
    n bigint NOT NULL,
    total numeric,
    high numeric,
    low numeric,
    last_at timestamp with time zone,
    last_order bytea,
    last numeric,
    CONSTRAINT meter_bucket_n_check CHECK ((n > 0))
)
WITH (fillfactor='70');

CREATE TABLE meter_check (
    id bigint NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    from_day date NOT NULL,
    to_day date NOT NULL,
    buckets bigint NOT NULL,
    differences bigint NOT NULL
);

ALTER TABLE meter_check ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME meter_check_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE meter_level (
    series_no integer NOT NULL,
    at timestamp with time zone NOT NULL,
    "order" bytea NOT NULL,
    level numeric NOT NULL
);

CREATE TABLE meter_value (
    series_no integer NOT NULL,
    starts timestamp with time zone NOT NULL,
    value uuid NOT NULL
);

CREATE TABLE meter_version (
    key text NOT NULL,
    version integer NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    revision bigint NOT NULL,
    meter jsonb NOT NULL,
    CONSTRAINT meter_version_version_check CHECK ((version > 0))
);

CREATE TABLE outbox (
    seq bigint NOT NULL,
    id uuid NOT NULL,
    aggregatetype text NOT NULL,
    aggregateid text NOT NULL,
    type text NOT NULL,
    key bytea,
    payload bytea,
    headers jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE outbox ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE parked (
    id bigint NOT NULL,
    topic text NOT NULL,
    part integer NOT NULL,
    log_id text NOT NULL,
    "offset" bigint NOT NULL,
    written_ms bigint NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    key bytea,
    raw bytea NOT NULL,
    headers jsonb DEFAULT '[]'::jsonb NOT NULL,
    parked_at timestamp with time zone DEFAULT now() NOT NULL,
    next_try_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE parked ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME parked_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE parked_usage (
    event_key bytea NOT NULL,
    payload_hash bigint NOT NULL,
    waits_for text NOT NULL,
    raw bytea NOT NULL,
    part integer NOT NULL,
    log_id text NOT NULL,
    "offset" bigint NOT NULL,
    parked_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone NOT NULL
);

CREATE TABLE payment (
    id uuid NOT NULL,
    invoice_id text NOT NULL,
    reference text NOT NULL,
    amount numeric NOT NULL,
    received_on date NOT NULL,
    stored_at timestamp with time zone NOT NULL,
    CONSTRAINT payment_amount_check CHECK ((amount <> (0)::numeric))
);

CREATE TABLE plan (
    sku text NOT NULL,
    revision bigint NOT NULL,
    currency text NOT NULL,
    plan jsonb NOT NULL,
    valid_from timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL
);

CREATE TABLE quantity_fact (
    service_id text NOT NULL,
    name text NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    seq bigint NOT NULL,
    quantity numeric(38,12) NOT NULL,
    stored_at timestamp with time zone NOT NULL
);

ALTER TABLE quantity_fact ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME quantity_fact_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE raw_kept (
    one boolean NOT NULL,
    since date NOT NULL,
    CONSTRAINT raw_kept_one_check CHECK (one)
);

CREATE TABLE reject (
    id bigint NOT NULL,
    topic text NOT NULL,
    part integer NOT NULL,
    log_id text NOT NULL,
    "offset" bigint NOT NULL,
    tenant_id text,
    reason text NOT NULL,
    detail text NOT NULL,
    key bytea,
    raw bytea,
    headers jsonb DEFAULT '[]'::jsonb NOT NULL,
    first_seen timestamp with time zone DEFAULT now() NOT NULL,
    replayed_at timestamp with time zone,
    dismissed_at timestamp with time zone,
    dismissed_because text
);

ALTER TABLE reject ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME reject_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE reseller (
    id text NOT NULL
);

CREATE TABLE reseller_contract (
    seq bigint NOT NULL,
    reseller_id text NOT NULL,
    since date NOT NULL,
    model text NOT NULL,
    rate_percent numeric NOT NULL,
    first_year_uplift_percent numeric NOT NULL,
    stored_at timestamp with time zone NOT NULL,
    CONSTRAINT reseller_contract_model_check CHECK ((model = ANY (ARRAY['agency'::text, 'resale'::text])))
);

ALTER TABLE reseller_contract ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME reseller_contract_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE reservation (
    tenant_id text NOT NULL,
    key text NOT NULL,
    service_id text NOT NULL,
    meter text NOT NULL,
    quantity numeric NOT NULL,
    allowed boolean NOT NULL,
    remaining numeric,
    expires_at timestamp with time zone NOT NULL,
    stored_at timestamp with time zone NOT NULL
);

CREATE TABLE retraction (
    tenant_no integer NOT NULL,
    key bytea NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    sender text,
    happened_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    stored_at timestamp with time zone NOT NULL
);

CREATE TABLE series (
    no integer NOT NULL,
    tenant_id text NOT NULL,
    service_id text NOT NULL,
    meter text NOT NULL,
    version integer NOT NULL,
    dimensions jsonb NOT NULL,
    group_hash bytea NOT NULL
);

ALTER TABLE series ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME series_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE service (
    id text NOT NULL,
    tenant_id text NOT NULL,
    sku text NOT NULL,
    item integer NOT NULL,
    activated_at timestamp with time zone NOT NULL,
    plan jsonb NOT NULL,
    currency text DEFAULT 'EUR'::text NOT NULL
);

CREATE TABLE service_state (
    seq bigint NOT NULL,
    service_id text NOT NULL,
    state text NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    stored_at timestamp with time zone NOT NULL,
    CONSTRAINT service_state_state_check CHECK ((state = ANY (ARRAY['active'::text, 'suspended'::text, 'ended'::text])))
);

ALTER TABLE service_state ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME service_state_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE settlement (
    reseller_id text NOT NULL,
    quarter text NOT NULL,
    currency text NOT NULL,
    document jsonb NOT NULL,
    carried_out numeric NOT NULL,
    stored_at timestamp with time zone NOT NULL
);

CREATE TABLE spending_cap (
    seq bigint NOT NULL,
    tenant_id text NOT NULL,
    service_id text NOT NULL,
    meters text[] NOT NULL,
    since date NOT NULL,
    amount numeric,
    is_hard boolean NOT NULL,
    spent numeric NOT NULL,
    stored_at timestamp with time zone NOT NULL
);

ALTER TABLE spending_cap ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME spending_cap_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE tax_profile (
    seq bigint NOT NULL,
    tenant_id text NOT NULL,
    since date NOT NULL,
    profile text NOT NULL,
    stored_at timestamp with time zone NOT NULL
);

ALTER TABLE tax_profile ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME tax_profile_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE tenant (
    id text NOT NULL,
    external_id text,
    zone text DEFAULT 'Europe/Rome'::text NOT NULL,
    currency text DEFAULT 'EUR'::text NOT NULL,
    reseller_id text,
    details jsonb,
    closed_until timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    no integer NOT NULL
);

CREATE TABLE tenant_cap (
    seq bigint NOT NULL,
    tenant_id text NOT NULL,
    currency text NOT NULL,
    since date NOT NULL,
    amount numeric,
    is_hard boolean NOT NULL,
    spent numeric NOT NULL,
    stored_at timestamp with time zone NOT NULL
);

CREATE TABLE tenant_cap_notice (
    tenant_id text NOT NULL,
    currency text NOT NULL,
    month date NOT NULL,
    percent integer NOT NULL
);

ALTER TABLE tenant_cap ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME tenant_cap_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE tenant ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME tenant_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE transfer (
    id bigint NOT NULL,
    cause text NOT NULL,
    cause_id text NOT NULL,
    party text NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL,
    booked_on date NOT NULL,
    stored_at timestamp with time zone NOT NULL,
    CONSTRAINT transfer_amount_check CHECK ((amount > (0)::numeric)),
    CONSTRAINT transfer_cause_check CHECK ((cause = ANY (ARRAY['charges'::text, 'document'::text, 'payment'::text, 'commission'::text, 'settlement'::text]))),
    CONSTRAINT transfer_check CHECK ((credit <> debit))
);

ALTER TABLE transfer ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME transfer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE usage_block (
    arrived_on date NOT NULL,
    id bigint NOT NULL,
    part integer NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    tenants integer[] NOT NULL,
    ns integer[] NOT NULL,
    events bytea NOT NULL,
    log_no integer,
    first_offset bigint,
    offsets bytea,
    with_principal boolean DEFAULT false NOT NULL
)
PARTITION BY RANGE (arrived_on);
ALTER TABLE ONLY usage_block ALTER COLUMN events SET STORAGE EXTERNAL;
ALTER TABLE ONLY usage_block ALTER COLUMN offsets SET STORAGE EXTERNAL;

ALTER TABLE usage_block ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME usage_block_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE usage_log (
    no integer NOT NULL,
    part integer NOT NULL,
    log_id text NOT NULL
);

ALTER TABLE usage_log ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME usage_log_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE usage_tally (
    part integer NOT NULL,
    outcome text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    n bigint NOT NULL,
    CONSTRAINT usage_tally_outcome_check CHECK ((outcome = ANY (ARRAY['counted'::text, 'duplicate'::text, 'rejected'::text, 'parked'::text])))
);

ALTER TABLE ONLY agreed_price
    ADD CONSTRAINT agreed_price_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY assignment
    ADD CONSTRAINT assignment_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY cap_notice
    ADD CONSTRAINT cap_notice_pkey PRIMARY KEY (tenant_id, service_id, meters_hash, month, percent);

ALTER TABLE ONLY catalogue_seen
    ADD CONSTRAINT catalogue_seen_pkey PRIMARY KEY (one);

ALTER TABLE ONLY charge
    ADD CONSTRAINT charge_pkey PRIMARY KEY (id);

ALTER TABLE ONLY commission
    ADD CONSTRAINT commission_pkey PRIMARY KEY (invoice_id, line, reseller_id);

ALTER TABLE ONLY consumer_offset
    ADD CONSTRAINT consumer_offset_pkey PRIMARY KEY (topic, part, log_id);

ALTER TABLE ONLY dirty_period
    ADD CONSTRAINT dirty_period_pkey PRIMARY KEY (tenant_id, month);

ALTER TABLE ONLY epoch
    ADD CONSTRAINT epoch_pkey PRIMARY KEY (one);

ALTER TABLE ONLY inbox_before_principals
    ADD CONSTRAINT inbox_before_principals_pkey PRIMARY KEY (one);

ALTER TABLE ONLY inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (event_key);

ALTER TABLE ONLY ingest_gap
    ADD CONSTRAINT ingest_gap_pkey PRIMARY KEY (topic, part, log_id, from_offset);

ALTER TABLE ONLY invoice_hold
    ADD CONSTRAINT invoice_hold_pkey PRIMARY KEY (tenant_id, boundary);

ALTER TABLE ONLY invoice
    ADD CONSTRAINT invoice_number_key UNIQUE (number);

ALTER TABLE ONLY invoice_paid
    ADD CONSTRAINT invoice_paid_pkey PRIMARY KEY (invoice_id);

ALTER TABLE ONLY invoice
    ADD CONSTRAINT invoice_pkey PRIMARY KEY (id);

ALTER TABLE ONLY invoice_run
    ADD CONSTRAINT invoice_run_pkey PRIMARY KEY (tenant_id, boundary);

ALTER TABLE ONLY invoice_series
    ADD CONSTRAINT invoice_series_pkey PRIMARY KEY (series, year);

ALTER TABLE ONLY job
    ADD CONSTRAINT job_kind_key_key UNIQUE (kind, key);

ALTER TABLE ONLY job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY key_generation
    ADD CONSTRAINT key_generation_pkey PRIMARY KEY (no);

ALTER TABLE ONLY late_usage
    ADD CONSTRAINT late_usage_pkey PRIMARY KEY (series_no, month);

ALTER TABLE ONLY meter_bucket
    ADD CONSTRAINT meter_bucket_pkey PRIMARY KEY (series_no, starts);

ALTER TABLE ONLY meter_check
    ADD CONSTRAINT meter_check_pkey PRIMARY KEY (id);

ALTER TABLE ONLY meter_level
    ADD CONSTRAINT meter_level_pkey PRIMARY KEY (series_no, at, "order");

ALTER TABLE ONLY meter_value
    ADD CONSTRAINT meter_value_pkey PRIMARY KEY (series_no, starts, value);

ALTER TABLE ONLY meter_version
    ADD CONSTRAINT meter_version_pkey PRIMARY KEY (key, version);

ALTER TABLE ONLY outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY parked
    ADD CONSTRAINT parked_id_key UNIQUE (id);

ALTER TABLE ONLY parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (topic, part, log_id, "offset");

ALTER TABLE ONLY parked_usage
    ADD CONSTRAINT parked_usage_pkey PRIMARY KEY (event_key);

ALTER TABLE ONLY payment
    ADD CONSTRAINT payment_pkey PRIMARY KEY (id);

ALTER TABLE ONLY plan
    ADD CONSTRAINT plan_pkey PRIMARY KEY (sku, revision);

ALTER TABLE ONLY quantity_fact
    ADD CONSTRAINT quantity_fact_pkey PRIMARY KEY (service_id, name, effective_at, seq);

ALTER TABLE ONLY raw_kept
    ADD CONSTRAINT raw_kept_pkey PRIMARY KEY (one);

ALTER TABLE ONLY reject
    ADD CONSTRAINT reject_id_key UNIQUE (id);

ALTER TABLE ONLY reject
    ADD CONSTRAINT reject_pkey PRIMARY KEY (topic, part, log_id, "offset");

ALTER TABLE ONLY reseller_contract
    ADD CONSTRAINT reseller_contract_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY reseller
    ADD CONSTRAINT reseller_pkey PRIMARY KEY (id);

ALTER TABLE ONLY reservation
    ADD CONSTRAINT reservation_pkey PRIMARY KEY (tenant_id, key);

ALTER TABLE ONLY retraction
    ADD CONSTRAINT retraction_pkey PRIMARY KEY (tenant_no, key);

ALTER TABLE ONLY series
    ADD CONSTRAINT series_pkey PRIMARY KEY (no);

ALTER TABLE ONLY series
    ADD CONSTRAINT series_service_id_meter_version_group_hash_key UNIQUE (service_id, meter, version, group_hash);

ALTER TABLE ONLY service
    ADD CONSTRAINT service_pkey PRIMARY KEY (id);

ALTER TABLE ONLY service_state
    ADD CONSTRAINT service_state_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY settlement
    ADD CONSTRAINT settlement_pkey PRIMARY KEY (reseller_id, quarter, currency);

ALTER TABLE ONLY spending_cap
    ADD CONSTRAINT spending_cap_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY tax_profile
    ADD CONSTRAINT tax_profile_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY tenant_cap_notice
    ADD CONSTRAINT tenant_cap_notice_pkey PRIMARY KEY (tenant_id, currency, month, percent);

ALTER TABLE ONLY tenant_cap
    ADD CONSTRAINT tenant_cap_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY tenant
    ADD CONSTRAINT tenant_no_key UNIQUE (no);

ALTER TABLE ONLY tenant
    ADD CONSTRAINT tenant_pkey PRIMARY KEY (id);

ALTER TABLE ONLY transfer
    ADD CONSTRAINT transfer_pkey PRIMARY KEY (id);

ALTER TABLE ONLY usage_block
    ADD CONSTRAINT usage_block_pkey PRIMARY KEY (arrived_on, id);

ALTER TABLE ONLY usage_log
    ADD CONSTRAINT usage_log_no_key UNIQUE (no);

ALTER TABLE ONLY usage_log
    ADD CONSTRAINT usage_log_pkey PRIMARY KEY (part, log_id);

ALTER TABLE ONLY usage_tally
    ADD CONSTRAINT usage_tally_pkey PRIMARY KEY (part, outcome, reason);

CREATE INDEX agreed_price_of_tenant ON agreed_price USING btree (tenant_id);

CREATE INDEX assignment_tenant ON assignment USING btree (tenant_id);

CREATE INDEX charge_invoice ON charge USING btree (invoice_id);

CREATE INDEX charge_service ON charge USING btree (service_id, kind);

CREATE INDEX inbox_seen_at ON inbox USING brin (seen_at);

CREATE INDEX invoice_corrects ON invoice USING btree (corrects) WHERE (corrects IS NOT NULL);

CREATE INDEX invoice_tenant ON invoice USING btree (tenant_id, boundary);

CREATE INDEX job_due ON job USING btree (kind, limit_name, party, run_at, seq) WHERE (state = 'waiting'::text);

CREATE INDEX job_lane ON job USING btree (lane, seq) WHERE ((lane IS NOT NULL) AND (state = 'waiting'::text));

CREATE INDEX job_leased ON job USING btree (limit_name, party) WHERE (lease_token IS NOT NULL);

CREATE INDEX parked_due ON parked USING btree (next_try_at);

CREATE INDEX parked_subject ON parked USING btree (topic, subject, id);

CREATE INDEX parked_usage_waits ON parked_usage USING btree (waits_for);

CREATE UNIQUE INDEX payment_reference ON payment USING btree (invoice_id, reference);

CREATE INDEX reject_first_seen ON reject USING btree (first_seen);

CREATE INDEX reject_reason ON reject USING btree (reason, id);

CREATE INDEX reseller_contract_reseller ON reseller_contract USING btree (reseller_id);

CREATE INDEX series_tenant ON series USING btree (tenant_id, meter);

CREATE INDEX service_state_of_service ON service_state USING btree (service_id);

CREATE INDEX service_tenant ON service USING btree (tenant_id);

CREATE INDEX spending_cap_tenant ON spending_cap USING btree (tenant_id);

CREATE INDEX tax_profile_tenant ON tax_profile USING btree (tenant_id);

CREATE INDEX tenant_cap_of_tenant ON tenant_cap USING btree (tenant_id);

CREATE INDEX transfer_of_party ON transfer USING btree (party, currency);

CREATE UNIQUE INDEX transfer_once ON transfer USING btree (cause, cause_id, party, debit, credit);

CREATE INDEX usage_block_window ON ONLY usage_block USING btree (last_at, first_at);

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON agreed_price FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON assignment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON charge FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON commission FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON invoice FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON invoice_paid FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON payment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON plan FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON quantity_fact FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON reseller_contract FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON retraction FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON service FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON service_state FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON settlement FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON spending_cap FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON tax_profile FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON tenant_cap FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER final BEFORE DELETE OR UPDATE OR TRUNCATE ON transfer FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE ONLY charge
    ADD CONSTRAINT charge_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES invoice(id);

ALTER TABLE ONLY invoice
    ADD CONSTRAINT invoice_corrects_fkey FOREIGN KEY (corrects) REFERENCES invoice(id);
