-- Whose a device is, in a product or in none, and who asks its owner for it.
SET LOCAL ROLE rollcall_app;

ALTER TABLE fleet.device ADD COLUMN owner text COLLATE "C"; -- the user who claimed it, NULL if nobody has
-- Of a million devices of a product hardly any has an owner: those without cost nothing here.
CREATE INDEX ON fleet.device (owner, last_handshake_at DESC NULLS LAST, device_id)
    WHERE owner IS NOT NULL;

CREATE TABLE access.device_transfer (
    transfer_id  text        COLLATE "C" NOT NULL,
    device_id    text        COLLATE "C" NOT NULL,
    user_id      text        COLLATE "C" NOT NULL, -- who asks
    owner        text        COLLATE "C" NOT NULL, -- who is asked
    requested_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (device_id, user_id)   -- nobody waits for a device twice
);
CREATE INDEX ON access.device_transfer (transfer_id);
CREATE INDEX ON access.device_transfer (user_id);
CREATE INDEX ON access.device_transfer (owner);
RESET ROLE;
