-- Customers of products, and the codes by which they take part in a private beta.
SET LOCAL ROLE rollcall_app;

ALTER TABLE fleet.product ADD COLUMN requires_activation_codes boolean NOT NULL DEFAULT false;

-- Of an erased customer the row stays, and nothing in it says who it was.
CREATE TABLE access.customer (
    customer_id     text COLLATE "C" PRIMARY KEY,
    product_id      integer NOT NULL,
    username        text,             -- as it was typed: an e-mail, or whatever the product knows them by
    username_digest bytea,            -- of its normal spelling: what log-ins look for
    password_hash   text,             -- NULL of a shadow customer
    erased          boolean NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    UNIQUE (product_id, username_digest)
);
CREATE INDEX ON access.customer (product_id, created_at, customer_id) WHERE NOT erased;

-- A code has a row until it is removed. What it is stands here only as a keyed digest.
CREATE TABLE access.activation_code (
    activation_id text COLLATE "C" PRIMARY KEY,
    product_id    integer NOT NULL,
    email         text,               -- NULL where its key is destroyed already
    email_digest  bytea,
    code_digest   bytea,
    used_by       text COLLATE "C" NOT NULL,  -- a customer's id, empty as long as it was not used
    issued_at     timestamptz NOT NULL,
    sent_at       timestamptz NOT NULL,       -- when it was last asked to be mailed
    used_at       timestamptz,
    UNIQUE (product_id, email_digest),
    UNIQUE (product_id, code_digest)
);
CREATE INDEX ON access.activation_code (product_id, issued_at, activation_id);
CREATE INDEX ON access.activation_code (used_by) WHERE used_by <> '';
RESET ROLE;
