-- People, their tokens and OAuth clients; and the keys that seal what people are called.

-- A key a person: what the log holds of them can be read as long as the key exists, and not a moment
-- longer. Wrapped under the master key, which is not in the database. No read model: it cannot be made
-- again from the log, and is what a backup must hold beside it.
CREATE SCHEMA secrets;
GRANT USAGE ON SCHEMA secrets TO rollcall_app;

CREATE TABLE secrets.person_key (
    person_id    text COLLATE "C" PRIMARY KEY,
    wrapped      bytea,                 -- NULL once destroyed: the person gets no other key
    made_at      timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);
GRANT SELECT, INSERT, UPDATE ON secrets.person_key TO rollcall_app;

-- Which master key the database is sealed under, as one row that tells nothing about the key.
CREATE TABLE secrets.master_key (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    mark     bytea NOT NULL
);
GRANT SELECT, INSERT ON secrets.master_key TO rollcall_app;

-- Who there is and who may come in, folded from the log; a rebuild makes it anew.
CREATE SCHEMA access AUTHORIZATION rollcall_app;
SET LOCAL ROLE rollcall_app;

CREATE TABLE access.tracking (
    application_name text PRIMARY KEY,
    notification_id  bigint
);

-- Of an erased account the row stays, and nothing in it says whose it was.
CREATE TABLE access.account (
    user_id               text COLLATE "C" PRIMARY KEY,
    email                 text,           -- as it was typed
    email_digest          bytea UNIQUE,   -- of the e-mail in its normal spelling: what log-ins look for
    password_hash         text,
    profile               jsonb NOT NULL,
    administrator         boolean NOT NULL,
    totp_secret           text,           -- NULL where no second factor is asked for
    totp_offer            text,           -- a secret that waits for its first code
    totp_offer_hash       bytea,
    totp_offer_expires_at timestamptz,
    recovery              text[] NOT NULL, -- hashes of the recovery codes that are left
    reset_hash            bytea UNIQUE,   -- SHA-256 of the token that was mailed
    reset_expires_at      timestamptz,
    erased                boolean NOT NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL
);

-- Tokens that work, but for time: who was erased, revoked or removed has none here.
CREATE TABLE access.token (
    token_hash         bytea PRIMARY KEY,  -- SHA-256: the token itself is random, and kept nowhere
    token_id           text COLLATE "C" NOT NULL UNIQUE,
    user_id            text COLLATE "C" NOT NULL,  -- empty where it is no user's
    client_id          text COLLATE "C" NOT NULL,  -- the OAuth client it was issued to, empty if none
    api_user_id        text COLLATE "C" NOT NULL,
    scopes             text[] NOT NULL,
    product_id         integer,
    organization_id    text COLLATE "C" NOT NULL,
    expires_at         timestamptz,        -- NULL: never
    refresh_hash       bytea UNIQUE,
    refresh_expires_at timestamptz,
    issued_at          timestamptz NOT NULL
);
CREATE INDEX ON access.token (user_id) WHERE user_id <> '';
CREATE INDEX ON access.token (client_id) WHERE client_id <> '';
CREATE INDEX ON access.token (api_user_id) WHERE api_user_id <> '';

-- Refresh tokens that were used: who comes with one of them again has stolen it, or lost it.
CREATE TABLE access.spent_refresh (
    refresh_hash bytea PRIMARY KEY,
    replaced_by  text COLLATE "C" NOT NULL,  -- the id of the token that was issued for it
    user_id      text COLLATE "C" NOT NULL,
    client_id    text COLLATE "C" NOT NULL
);
CREATE INDEX ON access.spent_refresh (user_id) WHERE user_id <> '';
CREATE INDEX ON access.spent_refresh (client_id) WHERE client_id <> '';

CREATE TABLE access.client (
    client_id    text COLLATE "C" PRIMARY KEY,
    name         text NOT NULL,
    type         text NOT NULL,            -- installed or web
    redirect_uri text NOT NULL,
    secret_hash  bytea,                    -- SHA-256; NULL where it has none
    scope        text NOT NULL,
    user_id      text COLLATE "C" NOT NULL,  -- empty where it is no user's
    product_id   integer,
    removed      boolean NOT NULL,         -- its tokens stopped working
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
);
CREATE INDEX ON access.client (user_id) WHERE user_id <> '';
CREATE INDEX ON access.client (product_id) WHERE product_id IS NOT NULL;
RESET ROLE;

-- A guard that names no product watches for events about anything.
CREATE OR REPLACE FUNCTION log.append(
    streams text[], stream_versions bigint[], topics text[], states bytea[], requests integer[],
    after bigint DEFAULT NULL, watched text[] DEFAULT NULL, product integer DEFAULT NULL
) RETURNS TABLE (first_position bigint, refused integer[], moved_on bigint)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(log.lock_key());
    IF after IS NOT NULL THEN
        IF (SELECT max(notification_id) FROM log.fleet_events) - after > log.guard_events_max() THEN
            moved_on := after;
        ELSE
            SELECT notification_id INTO moved_on FROM log.fleet_events
            WHERE notification_id > after AND topic = ANY (watched)
              AND (product IS NULL
                   OR (convert_from(state, 'UTF8')::jsonb -> 'event' ->> 'product_id')::integer = product)
            ORDER BY notification_id LIMIT 1;
        END IF;
        IF moved_on IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    RETURN QUERY
    WITH event AS MATERIALIZED (
        SELECT * FROM unnest(streams, stream_versions, topics, states, requests)
            WITH ORDINALITY AS u (stream, stream_version, topic, state, request, place)
    ), conflict AS MATERIALIZED (
        -- A scalar subquery: one index probe an event, whatever the planner believes of the array.
        SELECT DISTINCT event.request FROM event WHERE (
            SELECT 1 FROM log.fleet_events e
            WHERE e.originator_id = event.stream AND e.originator_version = event.stream_version
        ) IS NOT NULL
    ), appended AS (
        INSERT INTO log.fleet_events (originator_id, originator_version, topic, state)
        SELECT event.stream, event.stream_version, event.topic, event.state FROM event
        WHERE event.request NOT IN (SELECT conflict.request FROM conflict)
        ORDER BY event.place
        RETURNING notification_id
    )
    SELECT (SELECT min(notification_id) FROM appended),
           ARRAY (SELECT conflict.request FROM conflict),
           NULL::bigint;
END $$;

-- The tokens there were before there were users work on, as the first administrator's: see
-- rollcall/founding.py, which signs that user up.
INSERT INTO log.fleet_events (originator_id, originator_version, topic, state)
SELECT 'token-' || left(encode(token_hash, 'hex'), 24), 1, 'TokenIssued.1',
       convert_to(json_build_object(
           'event', json_build_object(
               'token_id', left(encode(token_hash, 'hex'), 24),
               'token_hash', encode(token_hash, 'hex'),
               'user_id', '000000000000000000000001',
               'scopes', scopes),
           'actor', 'migration')::text, 'UTF8')
FROM api.token;
DROP TABLE api.token;

-- From here on a kept reply is locked: it may name people. Those kept until now are forgotten; whoever
-- sends such a call again is answered from what its events say, and nothing happens twice.
UPDATE api.idempotent_call SET status = NULL, headers = NULL, body = NULL, holder = NULL
WHERE status IS NOT NULL;
