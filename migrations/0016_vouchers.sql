-- What is handed out half-way through a log-in and taken back within minutes. None of it is history:
-- the event is the token that comes of it.
CREATE TABLE api.voucher (
    voucher_hash bytea PRIMARY KEY,  -- SHA-256: the voucher itself is random, and kept nowhere
    kind         text NOT NULL,      -- second_factor or code
    user_id      text NOT NULL,
    client_id    text NOT NULL,
    detail       jsonb NOT NULL,     -- what the other half of the log-in needs to know
    tries_left   integer NOT NULL,
    token_id     text NOT NULL DEFAULT '',  -- what it was worth, once it is spent
    expires_at   timestamptz NOT NULL
);
CREATE INDEX ON api.voucher (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON api.voucher TO rollcall_app;

-- The last half minute for which somebody's one-time password was taken: none is taken twice.
CREATE TABLE api.otp_taken (
    user_id text PRIMARY KEY,
    step    bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON api.otp_taken TO rollcall_app;
