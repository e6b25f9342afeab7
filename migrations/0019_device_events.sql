-- Device events as streams, deliveries and devices read them: in the order of their ids, with who may
-- see them and who published them; what each device sent, by the day; how long a product keeps them.
SET LOCAL ROLE rollcall_app;

-- `user_id` is whose devices' events it is among, NULL if nobody's. There is one writer, whose ids come
-- from inside the transaction that moves its checkpoint: whoever reads on from an id misses nothing.
ALTER TABLE telemetry.device_event
    ADD COLUMN version    integer,   -- of the product's firmware that the device ran then
    ADD COLUMN publisher  text,      -- NULL: the device, or the cloud for it
    ADD COLUMN "position" bigint;    -- of the log, where it was made from an event there

-- Nothing reads by time alone any more; every reader goes by id.
DROP INDEX telemetry.device_event_device_id_published_at_idx;
DROP INDEX telemetry.device_event_product_id_published_at_idx;
CREATE INDEX device_event_place ON telemetry.device_event (id);
CREATE INDEX device_event_of_device ON telemetry.device_event (device_id, id);
CREATE INDEX device_event_of_product ON telemetry.device_event (product_id, id)
    WHERE product_id IS NOT NULL;
CREATE INDEX device_event_of_user ON telemetry.device_event (user_id, id) WHERE user_id IS NOT NULL;

-- How many days the product keeps the events of its devices; NULL: as long as the installation does.
ALTER TABLE fleet.product ADD COLUMN device_event_days integer;

-- How the names of the device events begin that the device says it wants to hear.
ALTER TABLE described.device ADD COLUMN subscriptions text[] NOT NULL DEFAULT '{}';
RESET ROLE;

-- What is used, and by whom.
CREATE SCHEMA usage AUTHORIZATION rollcall_app;
SET LOCAL ROLE rollcall_app;

-- What devices sent, counted in the transaction that stores it. A day is one of UTC.
CREATE TABLE usage.data (
    device_id  text    COLLATE "C" NOT NULL,
    product_id integer NOT NULL,             -- 0: it was a member of none
    day        date    NOT NULL,
    messages   bigint  NOT NULL,
    bytes      bigint  NOT NULL,             -- of the messages as they came, topic and all
    PRIMARY KEY (day, device_id, product_id)
) WITH (fillfactor = 70);                    -- a row changes all day long, in place
CREATE INDEX ON usage.data (product_id, day) WHERE product_id <> 0;
RESET ROLE;

-- What devices want to hear: how the names of device events begin, and of whose: of a product they are
-- members of (`product-94`), or among the devices of their owner (`user-…`).
CREATE TABLE follow.subscriber (
    device_id text   COLLATE "C" PRIMARY KEY,
    prefixes  text[] NOT NULL
);
CREATE TABLE follow.subscription (
    audience  text COLLATE "C" NOT NULL,
    prefix    text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (audience, prefix, device_id)
);
CREATE INDEX ON follow.subscription (device_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON follow.subscriber, follow.subscription TO rollcall_app;

-- What the log says from here on becomes device events; what it said before does not.
INSERT INTO edge.checkpoint (reader, stream, sequence)
SELECT 'system_events', '', coalesce(max(notification_id), 0) FROM log.fleet_events;
