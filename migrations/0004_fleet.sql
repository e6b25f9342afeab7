-- The fleet as people look at it: products, groups, firmware, devices, and how many are in which state.
-- Everything here is folded from the log and can be rebuilt from it; the application owns the schema,
-- because a rebuild makes it anew beside the live one and swaps the two.
CREATE SCHEMA fleet AUTHORIZATION rollcall_app;
SET LOCAL ROLE rollcall_app;

CREATE TABLE fleet.tracking (
    application_name text PRIMARY KEY,
    notification_id  bigint
);

CREATE TABLE fleet.product (
    product_id      integer PRIMARY KEY,
    platform_id     integer NOT NULL,
    name            text    NOT NULL,
    slug            text    NOT NULL,
    description     text    NOT NULL,
    owner           text    NOT NULL,
    auto_approves   boolean NOT NULL,
    attempts_max    integer NOT NULL,
    retired         boolean NOT NULL,
    default_version integer,
    group_versions  jsonb   NOT NULL, -- what is released to which group: key to version
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    facts_position  bigint  NOT NULL  -- of the last event that changed what edges must know
);
CREATE UNIQUE INDEX ON fleet.product (slug);
CREATE INDEX ON fleet.product (facts_position);

CREATE TABLE fleet.device_group (
    product_id       integer NOT NULL,
    key              text    COLLATE "C" NOT NULL,
    name             text    COLLATE "C" NOT NULL,
    color            text    NOT NULL,
    description      text    NOT NULL,
    removed          boolean NOT NULL,
    released_version integer,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (product_id, key)
);

CREATE TABLE fleet.firmware (
    product_id      integer NOT NULL,
    version         integer NOT NULL,
    sha256          text    NOT NULL,
    size_bytes      integer NOT NULL,
    title           text    NOT NULL,
    description     text    NOT NULL,
    mandatory       boolean NOT NULL,
    file_name       text    NOT NULL,
    uploaded_at     timestamptz NOT NULL,
    uploaded_by     text    NOT NULL,
    updated_at      timestamptz NOT NULL,
    proven_by       text,             -- the device that came back running it
    released_at     timestamptz,
    product_default boolean NOT NULL,
    intelligent     boolean NOT NULL,
    deleted         boolean NOT NULL,
    facts_position  bigint  NOT NULL,
    PRIMARY KEY (product_id, version)
);
CREATE INDEX ON fleet.firmware (facts_position);

-- Devices that targeting cannot tell apart share a cohort. Targets are computed from cohorts, by the
-- one rule in Python, never stored: a release changes a million targets and no row here.
CREATE TABLE fleet.cohort (
    cohort_id      bigint PRIMARY KEY,  -- a hash of what follows: the same in every rebuild
    product_id     integer NOT NULL,
    standing       text    NOT NULL,
    groups         text[]  NOT NULL,
    locked_version integer,
    development    boolean NOT NULL,
    UNIQUE NULLS NOT DISTINCT (product_id, standing, groups, locked_version, development)
);

CREATE TABLE fleet.device (
    device_id           text COLLATE "C" PRIMARY KEY,
    -- what people intend
    product_id          integer,          -- the product it is in, quarantined in, or denied by
    cohort_id           bigint,           -- NULL exactly if product_id is
    forced              boolean NOT NULL DEFAULT false,
    stuck_version       integer,
    removed_from        integer[] NOT NULL DEFAULT '{}',
    name                text COLLATE "C" NOT NULL DEFAULT '',
    notes               text NOT NULL DEFAULT '',
    entered_at          timestamptz,      -- when it came into the product
    billed_in           integer,          -- the product that billing started for last
    billed_since        timestamptz,
    -- what it said at its last handshake
    firmware_product_id integer,
    firmware_version    integer,          -- as its binary says
    running             integer,          -- the version of its own product, NULL if it runs none
    platform_id         integer,
    system_version      text NOT NULL DEFAULT '',
    app_hash            text NOT NULL DEFAULT '',
    reset_reason        text NOT NULL DEFAULT '',
    updates_enabled     boolean NOT NULL DEFAULT true,
    told                text,             -- what it was told then
    told_version        integer,          -- its target then
    told_product_id     integer,          -- the product it was answered for
    told_position       bigint,           -- the DeviceHandshook event
    online              boolean NOT NULL DEFAULT false,
    last_handshake_at   timestamptz,
    last_heard_at       timestamptz,
    last_ip             text NOT NULL DEFAULT '',
    -- the update it was last seen to try, of product told_product_id
    update_state        text,             -- started, delivered, confirmed, failed, stuck
    update_version      integer,
    update_attempt      integer,
    update_reason       text NOT NULL DEFAULT '',
    update_at           timestamptz,
    facts_position      bigint NOT NULL,  -- of the last event that changed what edges must know
    last_position       bigint NOT NULL   -- of the last event of either of its streams
);
CREATE INDEX ON fleet.device (facts_position);
CREATE INDEX ON fleet.device (product_id, last_handshake_at DESC NULLS LAST, device_id);
CREATE INDEX ON fleet.device (product_id, name, device_id);
CREATE INDEX ON fleet.device (product_id, running, device_id);
CREATE INDEX ON fleet.device (cohort_id, device_id);

-- How many devices of a cohort are in which state: what the overview, the firmware list and the impact
-- preview count from, whatever the size of the fleet. What a device was told, and tried, counts where
-- it was told by the product it is in now.
CREATE TABLE fleet.tally (
    product_id     integer NOT NULL,
    cohort_id      bigint  NOT NULL,
    running        integer,
    online         boolean NOT NULL,
    update_state   text,
    update_version integer,
    told           text,
    told_version   integer,
    devices        bigint  NOT NULL,
    UNIQUE NULLS NOT DISTINCT (product_id, cohort_id, running, online, update_state, update_version,
                               told, told_version)
);
RESET ROLE;
