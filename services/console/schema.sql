-- Generated from the migrations by `make schema-sql`. Do not edit; nothing runs this file.
CREATE FUNCTION alert_state(acknowledged_at timestamp with time zone, escalated_at timestamp with time zone, resolved_at timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    select case when resolved_at is not null then 'resolved' when acknowledged_at is not null then 'acknowledged'
                when escalated_at is not null then 'escalated' else 'open' end
$$;

CREATE FUNCTION services_of(tenant text) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
    select coalesce(jsonb_agg(
        jsonb_build_object('service_id', s.id, 'sku', s.sku, 'state', s.state, 'quantities', s.quantities,
                           'effective_at', s.effective_at, 'explanation', s.explanation, 'states', (
            select coalesce(jsonb_agg(jsonb_build_object('state', f.state, 'effective_at', f.effective_at, 'reason', f.reason)
                                      order by f.seq), '[]')
            from (select * from service_state where service_id = s.id order by seq desc limit 50) as f))
        order by s.effective_at, s.sku, s.id), '[]')
    from (select * from service where tenant_id = tenant order by effective_at desc nulls first, id limit 200) as s
$$;

CREATE TABLE act (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    who text NOT NULL,
    kind text NOT NULL,
    object text NOT NULL,
    tenant_id text,
    detail text NOT NULL,
    outcome text,
    explanation text DEFAULT ''::text NOT NULL
);

CREATE TABLE alert (
    id text NOT NULL,
    tenant_id text,
    document jsonb,
    notified_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    escalated_at timestamp with time zone,
    resolved_at timestamp with time zone
);

CREATE TABLE cap (
    tenant_id text NOT NULL,
    service_id text NOT NULL,
    meters_hash bytea NOT NULL,
    meters text[] NOT NULL,
    amount numeric NOT NULL,
    hard boolean NOT NULL,
    since date NOT NULL,
    month date,
    percent integer,
    spent numeric,
    forecast numeric
);

CREATE TABLE console_session (
    digest bytea NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    who text DEFAULT ''::text NOT NULL
);

CREATE TABLE consumer_offset (
    topic text NOT NULL,
    part integer NOT NULL,
    log_id text NOT NULL,
    next_offset bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT consumer_offset_next_offset_check CHECK ((next_offset >= 0))
);

CREATE TABLE delivery (
    id text NOT NULL,
    tenant_id text NOT NULL,
    alert_id text,
    recipient text NOT NULL,
    channel text NOT NULL,
    about text NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL,
    at timestamp with time zone NOT NULL,
    explanation text
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
    number text NOT NULL,
    issued_on date NOT NULL,
    total numeric NOT NULL,
    document jsonb NOT NULL,
    open numeric,
    paid_on date,
    overdue boolean DEFAULT false NOT NULL
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

CREATE TABLE parked_invoice (
    tenant_id text NOT NULL,
    boundary date NOT NULL,
    since timestamp with time zone NOT NULL,
    explanation text NOT NULL
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
    id text NOT NULL,
    revision bigint NOT NULL,
    profile jsonb NOT NULL
);

CREATE TABLE service (
    id text NOT NULL,
    tenant_id text NOT NULL,
    sku text,
    state text NOT NULL,
    quantities jsonb DEFAULT '{}'::jsonb NOT NULL,
    effective_at timestamp with time zone,
    explanation text
);

CREATE TABLE service_order (
    id text NOT NULL,
    tenant_id text NOT NULL,
    reference text DEFAULT ''::text NOT NULL,
    state text NOT NULL,
    rank integer NOT NULL,
    accepted_at timestamp with time zone,
    ended_at timestamp with time zone,
    reason text,
    explanation text
);

CREATE TABLE service_state (
    seq bigint NOT NULL,
    service_id text NOT NULL,
    state text NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    reason text
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
    issued_at timestamp with time zone NOT NULL,
    document jsonb NOT NULL
);

CREATE TABLE tenant (
    id text NOT NULL,
    external_id text,
    name text,
    details jsonb,
    state text DEFAULT 'onboarding'::text NOT NULL,
    reseller_id text,
    distance_km numeric(8,1),
    score numeric(8,2),
    assigned_by text,
    ranking jsonb DEFAULT '[]'::jsonb NOT NULL
);

CREATE TABLE tenant_cap (
    tenant_id text NOT NULL,
    currency text NOT NULL,
    amount numeric NOT NULL,
    hard boolean NOT NULL,
    since date NOT NULL,
    month date,
    percent integer,
    spent numeric,
    forecast numeric
);

ALTER TABLE ONLY act
    ADD CONSTRAINT act_pkey PRIMARY KEY (id);

ALTER TABLE ONLY alert
    ADD CONSTRAINT alert_pkey PRIMARY KEY (id);

ALTER TABLE ONLY cap
    ADD CONSTRAINT cap_pkey PRIMARY KEY (tenant_id, service_id, meters_hash);

ALTER TABLE ONLY console_session
    ADD CONSTRAINT console_session_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY consumer_offset
    ADD CONSTRAINT consumer_offset_pkey PRIMARY KEY (topic, part, log_id);

ALTER TABLE ONLY delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (id);

ALTER TABLE ONLY inbox_before_principals
    ADD CONSTRAINT inbox_before_principals_pkey PRIMARY KEY (one);

ALTER TABLE ONLY inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (event_key);

ALTER TABLE ONLY ingest_gap
    ADD CONSTRAINT ingest_gap_pkey PRIMARY KEY (topic, part, log_id, from_offset);

ALTER TABLE ONLY invoice
    ADD CONSTRAINT invoice_pkey PRIMARY KEY (id);

ALTER TABLE ONLY job
    ADD CONSTRAINT job_kind_key_key UNIQUE (kind, key);

ALTER TABLE ONLY job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY parked
    ADD CONSTRAINT parked_id_key UNIQUE (id);

ALTER TABLE ONLY parked_invoice
    ADD CONSTRAINT parked_invoice_pkey PRIMARY KEY (tenant_id, boundary);

ALTER TABLE ONLY parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (topic, part, log_id, "offset");

ALTER TABLE ONLY reject
    ADD CONSTRAINT reject_id_key UNIQUE (id);

ALTER TABLE ONLY reject
    ADD CONSTRAINT reject_pkey PRIMARY KEY (topic, part, log_id, "offset");

ALTER TABLE ONLY reseller
    ADD CONSTRAINT reseller_pkey PRIMARY KEY (id);

ALTER TABLE ONLY service_order
    ADD CONSTRAINT service_order_pkey PRIMARY KEY (id);

ALTER TABLE ONLY service
    ADD CONSTRAINT service_pkey PRIMARY KEY (id);

ALTER TABLE ONLY service_state
    ADD CONSTRAINT service_state_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY settlement
    ADD CONSTRAINT settlement_pkey PRIMARY KEY (reseller_id, quarter, currency);

ALTER TABLE ONLY tenant_cap
    ADD CONSTRAINT tenant_cap_pkey PRIMARY KEY (tenant_id, currency);

ALTER TABLE ONLY tenant
    ADD CONSTRAINT tenant_pkey PRIMARY KEY (id);

CREATE INDEX act_at ON act USING btree (at DESC, id);

CREATE INDEX act_object ON act USING btree (object, at DESC);

CREATE INDEX act_of_tenant ON act USING btree (tenant_id, at DESC);

CREATE INDEX alert_of_tenant ON alert USING btree (tenant_id);

CREATE INDEX alert_waiting ON alert USING btree (id) WHERE ((resolved_at IS NULL) AND (acknowledged_at IS NULL));

CREATE INDEX console_session_expires_at ON console_session USING btree (expires_at);

CREATE INDEX delivery_at ON delivery USING btree (at DESC, id);

CREATE INDEX delivery_failed ON delivery USING btree (at) WHERE (state = 'failed'::text);

CREATE INDEX delivery_of_alert ON delivery USING btree (alert_id, at DESC);

CREATE INDEX delivery_to ON delivery USING btree (recipient, at DESC);

CREATE INDEX inbox_seen_at ON inbox USING brin (seen_at);

CREATE INDEX invoice_number ON invoice USING btree (number);

CREATE INDEX invoice_tenant ON invoice USING btree (tenant_id);

CREATE INDEX job_due ON job USING btree (kind, limit_name, party, run_at, seq) WHERE (state = 'waiting'::text);

CREATE INDEX job_lane ON job USING btree (lane, seq) WHERE ((lane IS NOT NULL) AND (state = 'waiting'::text));

CREATE INDEX job_leased ON job USING btree (limit_name, party) WHERE (lease_token IS NOT NULL);

CREATE INDEX parked_due ON parked USING btree (next_try_at);

CREATE INDEX parked_subject ON parked USING btree (topic, subject, id);

CREATE INDEX reject_first_seen ON reject USING btree (first_seen);

CREATE INDEX reject_reason ON reject USING btree (reason, id);

CREATE INDEX service_order_tenant ON service_order USING btree (tenant_id);

CREATE INDEX service_state_of_service ON service_state USING btree (service_id, effective_at);

CREATE INDEX service_tenant ON service USING btree (tenant_id);

CREATE INDEX tenant_of_reseller ON tenant USING btree (reseller_id, external_id, id);
