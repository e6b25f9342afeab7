-- How far everything that follows the log has come, beside the read models' own positions; who has
-- stopped, and why; and what is to be done later.
CREATE SCHEMA follow;
GRANT USAGE ON SCHEMA follow TO rollcall_app;

CREATE TABLE follow.tracking (
    application_name text PRIMARY KEY,
    notification_id  bigint
);
GRANT SELECT, INSERT, UPDATE ON follow.tracking TO rollcall_app;

CREATE TABLE follow.status (
    follower   text PRIMARY KEY,
    state      text NOT NULL CHECK (state IN ('following', 'stopped')),
    "position" bigint,          -- of the event it could not take; NULL while it follows
    reason     text NOT NULL,   -- empty while it follows
    since      timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON follow.status TO rollcall_app;

-- Updates that started and have not ended; one that takes too long is reported as timed out.
CREATE TABLE follow.update_under_way (
    device_id  text COLLATE "C" PRIMARY KEY,
    product_id integer,
    version    integer NOT NULL,
    started_at timestamptz NOT NULL,
    "position" bigint NOT NULL  -- of its UpdateStarted
);
CREATE INDEX ON follow.update_under_way (started_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON follow.update_under_way TO rollcall_app;
