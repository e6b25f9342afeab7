-- The history as people filter it: by product, by who, by what kind of event, newest or oldest first.
-- One narrow row an event, in position order; what the event says stays in the log alone. Positions
-- and times rise together (see log.position_at), and the log finds one stream's events by itself: an
-- index for either would only make a million-row import slower.
CREATE SCHEMA history AUTHORIZATION rollcall_app;
SET LOCAL ROLE rollcall_app;

CREATE TABLE history.tracking (
    application_name text PRIMARY KEY,
    notification_id  bigint
);

CREATE TABLE history.entry (
    "position"     bigint PRIMARY KEY,
    recorded_at    timestamptz NOT NULL,
    stream         text COLLATE "C" NOT NULL,
    stream_version bigint NOT NULL,
    category       text COLLATE "C" NOT NULL,  -- of the stream: product, group, firmware, device, session
    name           text COLLATE "C" NOT NULL,  -- of the event, without its format number
    product_id     integer,                    -- the product it is about, NULL if none
    device_id      text COLLATE "C",
    actor          text COLLATE "C" NOT NULL
);
CREATE INDEX ON history.entry (product_id, "position");
CREATE INDEX ON history.entry (actor, "position");
CREATE INDEX ON history.entry (name, "position");
RESET ROLE;
