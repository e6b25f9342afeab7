-- What the edge's workers keep: how far each has read its stream, the sessions as they left them, who
-- is connected, and what devices publish.
CREATE SCHEMA edge;
GRANT USAGE ON SCHEMA edge TO rollcall_app;

-- Moved in the transaction that stores what was read: each message counts exactly once.
CREATE TABLE edge.checkpoint (
    reader   text   PRIMARY KEY,
    stream   text   NOT NULL,  -- when the stream was made: one made anew is numbered anew
    sequence bigint NOT NULL   -- of the last message that is stored
);
GRANT SELECT, INSERT, UPDATE ON edge.checkpoint TO rollcall_app;

-- Sessions as of their last event, so that a report costs the same however long the session's history
-- is. A copy: what is not here is folded from the log.
CREATE TABLE edge.session (
    device_id      text   COLLATE "C" PRIMARY KEY,
    stream_version bigint NOT NULL,
    state          bytea  NOT NULL   -- JSON
) WITH (fillfactor = 70);            -- every handshake changes its row in place
GRANT SELECT, INSERT, UPDATE ON edge.session TO rollcall_app;

-- Connections that are open now. A device that reconnects has two for a moment, the new one first.
CREATE TABLE edge.connection (
    server_id    text   COLLATE "C" NOT NULL,
    cid          bigint NOT NULL,
    device_id    text   COLLATE "C" NOT NULL,
    host         text   NOT NULL,
    transport    text   NOT NULL,
    connected_at timestamptz NOT NULL,
    PRIMARY KEY (server_id, cid)
);
CREATE INDEX ON edge.connection (device_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON edge.connection TO rollcall_app;

-- What devices publish, a partition a day. The application owns the schema: it makes the days ahead
-- and drops those past their keeping.
CREATE SCHEMA telemetry AUTHORIZATION rollcall_app;
SET LOCAL ROLE rollcall_app;

CREATE SEQUENCE telemetry.device_event_id;
CREATE TABLE telemetry.device_event (
    id           bigint      NOT NULL DEFAULT nextval('telemetry.device_event_id'),
    device_id    text        COLLATE "C" NOT NULL,
    product_id   integer,              -- the product it was a member of when the event was stored
    name         text        NOT NULL,
    data         text,
    ttl          integer     NOT NULL,
    published_at timestamptz NOT NULL, -- when NATS took it
    received_at  timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (published_at);
CREATE INDEX ON telemetry.device_event (device_id, published_at);
CREATE INDEX ON telemetry.device_event (product_id, published_at);
RESET ROLE;
