-- Who may call the API, and what a repeated call was answered the first time.
CREATE SCHEMA api;
GRANT USAGE ON SCHEMA api TO rollcall_app;

CREATE TABLE api.token (
    token_hash bytea PRIMARY KEY,  -- SHA-256: the token itself is random, and kept nowhere here
    label      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON api.token TO rollcall_app;

-- An Idempotency-Key and what came of it. No status yet: the first call is under way, or died.
CREATE TABLE api.idempotent_call (
    caller       bytea NOT NULL,
    key          text  NOT NULL,
    fingerprint  bytea NOT NULL,  -- SHA-256 of method, path and body: a key serves one request only
    command      text  NOT NULL,  -- the command id its events carry
    status       integer,
    headers      jsonb,
    body         bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, key)
);
CREATE INDEX ON api.idempotent_call (created_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON api.idempotent_call TO rollcall_app;
