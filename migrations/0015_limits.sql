-- Who had how much of what is limited, in which window: the sum over all API processes, each of which
-- adds what is new and reads the sum. Nothing here is worth a write to the disk that somebody waits
-- for: after a crash everybody has everything again.
CREATE UNLOGGED TABLE api.spent (
    limit_name text COLLATE "C" NOT NULL,
    key        text COLLATE "C" NOT NULL,  -- an address, a network, a user
    ends_at    timestamptz NOT NULL,       -- of the window; a minute later the row is deleted
    spent      bigint NOT NULL,
    PRIMARY KEY (limit_name, key, ends_at)
);
CREATE INDEX ON api.spent (ends_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON api.spent TO rollcall_app;

-- Log-ins that failed in a row. An account is whatever name was tried, there or not, and stands here
-- only as a keyed digest.
CREATE TABLE api.bad_log_in (
    kind          text COLLATE "C" NOT NULL CHECK (kind IN ('address', 'account')),
    key           text COLLATE "C" NOT NULL,
    failures      integer NOT NULL,
    last_at       timestamptz NOT NULL,
    blocked_until timestamptz,
    PRIMARY KEY (kind, key)
);
CREATE INDEX ON api.bad_log_in (last_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON api.bad_log_in TO rollcall_app;
