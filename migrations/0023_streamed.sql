-- What streams sent, as it was counted: for whoever makes events of the log of it.
SET LOCAL ROLE rollcall_app;

CREATE TABLE usage.streamed (
    streamed_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter        text        COLLATE "C" NOT NULL, -- product-<id> or user-<id>
    period_start date        NOT NULL,
    messages     bigint      NOT NULL,
    devices      jsonb       NOT NULL,             -- how many of each, by device id
    first_place  bigint      NOT NULL,             -- the first device event that was sent, and the last
    last_place   bigint      NOT NULL,
    settled_at   timestamptz NOT NULL DEFAULT now(),
    batch_id     text                              -- the batch it is in the log with
);
CREATE INDEX streamed_unrecorded ON usage.streamed (streamed_id) WHERE batch_id IS NULL;
RESET ROLE;
