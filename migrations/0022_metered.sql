-- From what was counted to the log, and from the log to the read model `metered`.
SET LOCAL ROLE rollcall_app;

-- Outbound messages on their way into the log: a batch is one event there, and stays one however often
-- it is tried. What is in it says so itself, by its `batch_id`.
CREATE TABLE usage.batch (
    batch_id       text        COLLATE "C" PRIMARY KEY,
    meter          text        COLLATE "C" NOT NULL,
    period_start   date        NOT NULL,
    integration_id text        COLLATE "C" NOT NULL,  -- empty: streams
    day            date        NOT NULL,
    messages       integer     NOT NULL,
    devices        jsonb       NOT NULL,              -- how many of each, by device id
    first_place    bigint      NOT NULL,
    last_place     bigint      NOT NULL,
    closed_at      timestamptz NOT NULL DEFAULT now()
);

-- The days whose data is in the log: all before this one.
CREATE TABLE usage.data_recorded (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    before   date    NOT NULL
);

RESET ROLE;

-- What the log says was used. A rebuild makes it anew.
CREATE SCHEMA metered AUTHORIZATION rollcall_app;
SET LOCAL ROLE rollcall_app;

CREATE TABLE metered.tracking (
    application_name text PRIMARY KEY,
    notification_id  bigint
);

-- What a meter is allowed a period; one that is not here, or NULL, is allowed everything.
CREATE TABLE metered.allowance (
    meter          text   COLLATE "C" PRIMARY KEY,
    limit_messages bigint
);

CREATE TABLE metered.period (
    meter          text   COLLATE "C" NOT NULL,
    period_start   date   NOT NULL,
    period_end     date   NOT NULL,      -- the first day that is not in it
    messages       bigint NOT NULL,
    warned_percent integer,              -- the highest that somebody was told of
    reached_at     timestamptz,          -- the limit, the last time
    "position"     bigint NOT NULL,      -- of the last event about it
    PRIMARY KEY (meter, period_start)
);

-- The same sum in parts: by integration (empty: streams) and day, and by device and day.
CREATE TABLE metered.integration_day (
    meter          text   COLLATE "C" NOT NULL,
    period_start   date   NOT NULL,
    day            date   NOT NULL,
    integration_id text   COLLATE "C" NOT NULL,
    messages       bigint NOT NULL,
    PRIMARY KEY (meter, day, integration_id)
);
CREATE TABLE metered.device_day (
    meter        text   COLLATE "C" NOT NULL,
    period_start date   NOT NULL,
    day          date   NOT NULL,
    device_id    text   COLLATE "C" NOT NULL,
    messages     bigint NOT NULL,
    PRIMARY KEY (meter, day, device_id)
);

-- Where every counted message can be found: the event of the log, the device events, the deliveries.
CREATE TABLE metered.batch (
    "position"     bigint  PRIMARY KEY,
    batch_id       text    COLLATE "C" NOT NULL,
    meter          text    COLLATE "C" NOT NULL,
    period_start   date    NOT NULL,
    day            date    NOT NULL,
    integration_id text    COLLATE "C" NOT NULL,
    messages       integer NOT NULL,
    first_place    bigint  NOT NULL,
    last_place     bigint  NOT NULL
);
CREATE INDEX ON metered.batch (meter, "position");

-- What devices sent, day by day.
CREATE TABLE metered.data_day (
    meter        text    COLLATE "C" NOT NULL,
    period_start date    NOT NULL,
    day          date    NOT NULL,
    messages     bigint  NOT NULL,
    bytes        bigint  NOT NULL,
    devices      integer NOT NULL,
    PRIMARY KEY (meter, day)
);
RESET ROLE;
