-- What became of deliveries day by day, which ranges were sent again, and days that are closed.
SET LOCAL ROLE rollcall_app;

-- For whoever looks at an integration: by the day, in UTC, on which it happened.
CREATE TABLE outbound.day (
    integration_id text   COLLATE "C" NOT NULL,
    day            date   NOT NULL,
    delivered      bigint NOT NULL,  -- attempts that were taken
    failed         bigint NOT NULL,  -- attempts that were not
    not_sent       bigint NOT NULL,  -- deliveries beyond the limit
    PRIMARY KEY (integration_id, day)
) WITH (fillfactor = 50);
CREATE INDEX ON outbound.day (day);

-- Ranges of history that were sent again: asked for twice with one request, it is done once.
CREATE TABLE outbound.replay (
    integration_id text        COLLATE "C" NOT NULL,
    replay         integer     NOT NULL,           -- the number that its deliveries carry
    request        text        COLLATE "C" NOT NULL,
    deliveries     integer     NOT NULL,
    last_place     bigint,                         -- of its last delivery; NULL: there is none
    asked_at       timestamptz NOT NULL,
    PRIMARY KEY (integration_id, replay),
    UNIQUE (integration_id, request)
);
-- One made before this table was there: its number is taken.
INSERT INTO outbound.replay
SELECT integration_id, replay, 'replay ' || replay, count(*), max(place), min(since)
FROM outbound.delivery WHERE replay > 0 GROUP BY integration_id, replay;

-- A template may name any number of servers: what is known of those that fail is forgotten in time.
ALTER TABLE outbound.circuit ADD failed_at timestamptz NOT NULL DEFAULT now();

-- Days of which what devices sent is counted no more: what comes later counts for a later day.
ALTER TABLE usage.data_recorded ADD closed_before date;
UPDATE usage.data_recorded SET closed_before = before;
ALTER TABLE usage.data_recorded ALTER closed_before SET NOT NULL;

-- Of all that is done to store a device event, this index was half: with what it is looked up by made
-- as short as can be, a third of that is saved.
DROP INDEX telemetry.device_event_of_device;
CREATE INDEX device_event_of_device
    ON telemetry.device_event (hashtextextended(device_id, 0), id);

-- The products of an organization, and of a user.
CREATE INDEX product_owner ON fleet.product (owner);
RESET ROLE;
