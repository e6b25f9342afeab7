-- The event log: one table in one total order, written only under one lock, never changed.
-- Column names are the eventsourcing library's; view log.entry has the words people use.

DO $$ BEGIN
    CREATE ROLE rollcall_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- another database of the server has it
END $$;
DO $$ BEGIN
    EXECUTE format('GRANT rollcall_app TO %I', current_user);
END $$;

CREATE SCHEMA log;
GRANT USAGE ON SCHEMA log TO rollcall_app;

CREATE TABLE log.fleet_events (
    originator_id      text   COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL CHECK (originator_version > 0),
    topic              text   COLLATE "C" NOT NULL,
    state              bytea  NOT NULL,
    notification_id    bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    recorded_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    -- Append-only: vacuum has nothing to collect, only to freeze; statistics matter more.
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_analyze_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.05
);
CREATE UNIQUE INDEX fleet_events_notification_id_idx ON log.fleet_events (notification_id);

-- Every writer, by whatever statement, holds this lock from before its first position is drawn until
-- it has committed. So positions become visible in their order, and a follower misses none.
CREATE FUNCTION log.lock_key() RETURNS bigint LANGUAGE sql IMMUTABLE
    AS 'SELECT 7382149026354781::bigint';

CREATE FUNCTION log.take_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(log.lock_key());
    PERFORM pg_notify('fleet_events', '');  -- sent once a transaction, when it has committed
    RETURN NULL;
END $$;
CREATE TRIGGER one_writer_at_a_time BEFORE INSERT ON log.fleet_events
    FOR EACH STATEMENT EXECUTE FUNCTION log.take_turn();

CREATE FUNCTION log.forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are immutable' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER immutable_events BEFORE UPDATE OR DELETE ON log.fleet_events
    FOR EACH ROW EXECUTE FUNCTION log.forbid_change();
CREATE TRIGGER immutable_log BEFORE TRUNCATE ON log.fleet_events
    EXECUTE FUNCTION log.forbid_change();

-- A role that may add events, but choose neither their position nor their time, nor change any.
GRANT SELECT ON log.fleet_events TO rollcall_app;
GRANT INSERT (originator_id, originator_version, topic, state) ON log.fleet_events TO rollcall_app;

-- How far a guard may look back: the lock is held meanwhile.
CREATE FUNCTION log.guard_events_max() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 20000::bigint';

-- Append the events of many requests in one commit. A request whose stream has moved on is refused
-- whole and named in `refused`; the others' events get positions from `first_position` on, without a
-- gap, in the order given. With a guard (`after`), nothing is appended if an event of the watched names,
-- about that product, stands after that position: `moved_on` is its position.
CREATE FUNCTION log.append(
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
              AND (convert_from(state, 'UTF8')::jsonb -> 'event' ->> 'product_id')::integer = product
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

-- The last position recorded at or before an instant, 0 if none. Positions and times rise together,
-- so it is found by halving: no index on time is needed.
CREATE FUNCTION log.position_at(instant timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    low bigint := 0;
    high bigint;
    middle bigint;
    found record;
BEGIN
    SELECT coalesce(max(notification_id), 0) INTO high FROM log.fleet_events;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        SELECT notification_id, recorded_at INTO found FROM log.fleet_events
        WHERE notification_id >= middle ORDER BY notification_id LIMIT 1;
        IF found.recorded_at <= instant THEN
            low := found.notification_id;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;

-- The log as a person reads it.
CREATE VIEW log.entry AS
SELECT
    notification_id                                     AS "position",
    recorded_at,
    originator_id                                       AS stream,
    originator_version                                  AS stream_version,
    topic                                               AS name,
    convert_from(state, 'UTF8')::jsonb -> 'event'       AS event,
    convert_from(state, 'UTF8')::jsonb ->> 'actor'      AS actor,
    convert_from(state, 'UTF8')::jsonb ->> 'origin'     AS origin,
    convert_from(state, 'UTF8')::jsonb ->> 'request'    AS request,
    (convert_from(state, 'UTF8')::jsonb ->> 'cause')::bigint AS cause
FROM log.fleet_events;
GRANT SELECT ON log.entry TO rollcall_app;
