-- What goes out: each device event on its way to each integration that wants it, every try of it, and
-- what was counted. The application owns the schema, and is all there is to it: nothing here can be
-- made again from the log.
CREATE SCHEMA outbound AUTHORIZATION rollcall_app;
SET LOCAL ROLE rollcall_app;

-- How far device events have been looked at. Moved in the transaction that makes deliveries of them.
CREATE TABLE outbound.dispatched (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    place    bigint  NOT NULL
);
-- What was said before there were integrations is nobody's.
INSERT INTO outbound.dispatched (place) SELECT coalesce(max(id), 0) FROM telemetry.device_event;

-- One device event on its way to one integration. In a lane, the smaller id goes first.
CREATE TABLE outbound.delivery (
    delivery_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    place          bigint      NOT NULL,             -- the id of the device event
    published_at   timestamptz NOT NULL,             -- of the device event: in which part it stands
    integration_id text        COLLATE "C" NOT NULL,
    device_id      text        COLLATE "C" NOT NULL,
    replay         integer     NOT NULL DEFAULT 0,   -- how manieth sending of this range by hand
    meter          text        COLLATE "C" NOT NULL, -- what it counts for
    state          text        COLLATE "C" NOT NULL DEFAULT 'waiting' CHECK
                   (state IN ('waiting', 'delivered', 'parked', 'not_sent', 'cancelled')),
    attempts       integer     NOT NULL DEFAULT 0,
    since          timestamptz NOT NULL,             -- a day after this it is given up
    reason         text        NOT NULL DEFAULT '',  -- of the last failure, or of its end
    settled_at     timestamptz,                      -- when it stopped waiting
    period_start   date,                             -- the billing period it was counted in
    batch_id       text,                             -- the batch it is in the log with
    UNIQUE (integration_id, place, replay)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX delivery_waiting ON outbound.delivery (integration_id, device_id, delivery_id)
    WHERE state = 'waiting';
CREATE INDEX delivery_parked ON outbound.delivery (integration_id, delivery_id)
    WHERE state = 'parked';
CREATE INDEX delivery_unrecorded ON outbound.delivery (delivery_id)
    WHERE state = 'delivered' AND batch_id IS NULL;
CREATE INDEX delivery_over ON outbound.delivery (settled_at)
    WHERE state IN ('not_sent', 'cancelled') OR batch_id IS NOT NULL;

-- What a device says to an integration goes through one lane, one after the other. A lane in which
-- nothing waits is due at no time; one that a worker has taken is locked by that worker's lease.
CREATE TABLE outbound.lane (
    integration_id text        COLLATE "C" NOT NULL,
    device_id      text        COLLATE "C" NOT NULL,
    due_at         timestamptz,
    lease_id       uuid,
    PRIMARY KEY (integration_id, device_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX lane_due ON outbound.lane (integration_id, due_at)
    WHERE lease_id IS NULL AND due_at IS NOT NULL;
CREATE INDEX lane_leased ON outbound.lane (lease_id) WHERE lease_id IS NOT NULL;

-- A worker at work. It renews its lease; when that runs out, all that it held is free for others.
CREATE TABLE outbound.lease (
    lease_id uuid        PRIMARY KEY,
    until    timestamptz NOT NULL  -- by the clock of this database
);

-- Every try, for whoever looks into it. Neither addresses nor headers stand here: they hold secrets.
CREATE TABLE outbound.attempt (
    attempt_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id    bigint      NOT NULL,
    integration_id text        COLLATE "C" NOT NULL,
    device_id      text        COLLATE "C" NOT NULL,
    place          bigint      NOT NULL,
    attempt        integer     NOT NULL,  -- the manieth of its delivery, from 1
    at             timestamptz NOT NULL,
    took_ms        integer     NOT NULL,
    delivered      boolean     NOT NULL,
    method         text        NOT NULL,
    host           text        NOT NULL,
    request_bytes  integer     NOT NULL,
    status         integer,               -- NULL: there was no answer
    error          text        NOT NULL,  -- empty where it was delivered
    response       text        NOT NULL   -- the beginning of the answer
);
CREATE INDEX ON outbound.attempt (integration_id, attempt_id);
CREATE INDEX ON outbound.attempt (delivery_id);

-- Servers that fail: after some failures in a row nobody asks them any more until then; and then one
-- delivery alone tries.
CREATE TABLE outbound.circuit (
    host       text        COLLATE "C" PRIMARY KEY,
    failures   integer     NOT NULL,            -- in a row
    opened     integer     NOT NULL DEFAULT 0,  -- how often in a row it was left alone
    open_until timestamptz
);

-- What is to be published as device events of the cloud, about deliveries: answers and errors.
CREATE TABLE outbound.said (
    said_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message bytea  NOT NULL  -- as it goes to NATS
);

-- How much of what is limited a billing period has seen. What is taken and neither counted nor given
-- back is in flight: counted and in flight together never pass the limit.
CREATE TABLE usage.meter (
    meter          text   COLLATE "C" NOT NULL,  -- product-<id> or user-<id>
    period_start   date   NOT NULL,
    period_end     date   NOT NULL,              -- the first day that is not in it
    limit_messages bigint,                       -- as of the last time something was taken; NULL: none
    counted        bigint NOT NULL DEFAULT 0,
    in_flight      bigint NOT NULL DEFAULT 0 CHECK (in_flight >= 0),
    PRIMARY KEY (meter, period_start)
) WITH (fillfactor = 50);

-- Who has taken how much of it and has not said yet what came of it. After `until`, by the clock of
-- this database, it is given back.
CREATE TABLE usage.taken (
    holder       uuid        NOT NULL,
    meter        text        COLLATE "C" NOT NULL,
    period_start date        NOT NULL,
    taken        bigint      NOT NULL CHECK (taken >= 0),
    until        timestamptz NOT NULL,
    PRIMARY KEY (holder, meter, period_start)
) WITH (fillfactor = 50);
CREATE INDEX ON usage.taken (until);

-- Take as many as are wanted, or as the limit leaves. Returns how many: 0 and up.
CREATE FUNCTION usage.take(
    a_meter text, a_period_start date, a_period_end date, a_limit bigint, wanted bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    known   usage.meter;
    granted bigint;
BEGIN
    INSERT INTO usage.meter (meter, period_start, period_end, limit_messages)
    VALUES (a_meter, a_period_start, a_period_end, a_limit) ON CONFLICT DO NOTHING;
    SELECT * INTO known FROM usage.meter
    WHERE meter = a_meter AND period_start = a_period_start FOR UPDATE;
    granted := greatest(0, least(wanted, a_limit - known.counted - known.in_flight));
    UPDATE usage.meter SET in_flight = in_flight + granted, limit_messages = a_limit
    WHERE meter = a_meter AND period_start = a_period_start
      AND (granted > 0 OR limit_messages IS DISTINCT FROM a_limit);
    RETURN granted;
END $$;

-- Say what came of what was taken: so many of them were delivered, the others are given back.
CREATE FUNCTION usage.settle(a_meter text, a_period_start date, taken bigint, delivered bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF delivered NOT BETWEEN 0 AND taken THEN
        RAISE EXCEPTION 'of % taken % are delivered', taken, delivered;
    END IF;
    UPDATE usage.meter m SET in_flight = m.in_flight - taken, counted = m.counted + delivered
    WHERE m.meter = a_meter AND m.period_start = a_period_start;
END $$;

-- `take`, remembered under the one who holds it, so that it is given back if that one dies. Where no
-- seconds are said, whoever looks after the holder gives it back.
CREATE FUNCTION usage.take_for(
    a_holder uuid, seconds double precision,
    a_meter text, a_period_start date, a_period_end date, a_limit bigint, wanted bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    granted bigint;
BEGIN
    -- Always what is held first and then the meter: one who takes and settles at once has no deadlock.
    INSERT INTO usage.taken AS known (holder, meter, period_start, taken, until)
    VALUES (a_holder, a_meter, a_period_start, 0,
            coalesce(clock_timestamp() + make_interval(secs => seconds), 'infinity'))
    ON CONFLICT (holder, meter, period_start) DO UPDATE
    SET until = greatest(known.until, excluded.until);
    granted := usage.take(a_meter, a_period_start, a_period_end, a_limit, wanted);
    UPDATE usage.taken t SET taken = t.taken + granted
    WHERE t.holder = a_holder AND t.meter = a_meter AND t.period_start = a_period_start
      AND granted > 0;
    RETURN granted;
END $$;

-- `settle` of what a holder took. False, and nothing is changed, if it held less: it was given back.
CREATE FUNCTION usage.settle_for(
    a_holder uuid, a_meter text, a_period_start date, settled bigint, delivered bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE usage.taken t SET taken = t.taken - settled
    WHERE t.holder = a_holder AND t.meter = a_meter AND t.period_start = a_period_start
      AND t.taken >= settled;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM usage.settle(a_meter, a_period_start, settled, delivered);
    RETURN true;
END $$;

-- Hold on to what was taken for so many seconds more.
CREATE FUNCTION usage.hold(a_holder uuid, seconds double precision)
RETURNS void LANGUAGE sql AS $$
    UPDATE usage.taken SET until = clock_timestamp() + make_interval(secs => seconds)
    WHERE holder = a_holder;
$$;

-- Give back all that one holder still holds, delivered or not: nobody knows.
CREATE FUNCTION usage.give_back(a_holder uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    held  usage.taken;
    given bigint := 0;
BEGIN
    FOR held IN
        SELECT * FROM usage.taken WHERE holder = a_holder ORDER BY meter, period_start FOR UPDATE
    LOOP
        PERFORM usage.settle(held.meter, held.period_start, held.taken, 0);
        given := given + held.taken;
    END LOOP;
    DELETE FROM usage.taken WHERE holder = a_holder;
    RETURN given;
END $$;

-- Give back what nobody held on to in time. Returns how many units that were.
CREATE FUNCTION usage.expire() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    held  usage.taken;
    given bigint := 0;
BEGIN
    FOR held IN
        SELECT * FROM usage.taken WHERE until < clock_timestamp()
        ORDER BY meter, period_start, holder FOR UPDATE SKIP LOCKED
    LOOP
        PERFORM usage.settle(held.meter, held.period_start, held.taken, 0);
        DELETE FROM usage.taken t WHERE t.holder = held.holder AND t.meter = held.meter
                                    AND t.period_start = held.period_start;
        given := given + held.taken;
    END LOOP;
    RETURN given;
END $$;
RESET ROLE;
