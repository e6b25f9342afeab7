-- Integrations: where device events are sent outside, folded from the log; a rebuild makes it anew.
-- What may hold a secret stands here as it stands in the log, sealed: see secrets.person_key, which
-- has a key for each integration too, destroyed with it.
CREATE SCHEMA integrations AUTHORIZATION rollcall_app;
SET LOCAL ROLE rollcall_app;

CREATE TABLE integrations.tracking (
    application_name text PRIMARY KEY,
    notification_id  bigint
);

-- Those there are: of one that is removed, or whose user is erased, no row is left.
CREATE TABLE integrations.integration (
    integration_id  text COLLATE "C" PRIMARY KEY,
    kind            text COLLATE "C" NOT NULL,
    product_id      integer,                -- whose it is: one of these three
    user_id         text COLLATE "C",
    organization_id text COLLATE "C",
    event_prefix    text COLLATE "C" NOT NULL,
    device_id       text COLLATE "C",       -- NULL: of whatever device
    name            text NOT NULL,
    disabled        boolean NOT NULL,
    settings        text NOT NULL,          -- sealed
    secret          text NOT NULL,          -- sealed: what is sent is signed with it …
    former_secret   text,                   -- … and with this one, too, until then
    former_until    timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    last_position   bigint NOT NULL,        -- of the event that it is like this from
    CHECK (num_nonnulls(product_id, user_id, organization_id) = 1),
    CHECK ((former_secret IS NULL) = (former_until IS NULL))
);
CREATE INDEX ON integrations.integration (product_id) WHERE product_id IS NOT NULL;
CREATE INDEX ON integrations.integration (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX ON integrations.integration (organization_id) WHERE organization_id IS NOT NULL;
RESET ROLE;
