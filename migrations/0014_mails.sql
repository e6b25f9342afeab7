-- Mails: a list of what is to be sent, kept by events, one row for an event and a recipient. Neither
-- an address nor what a mail says stands here: both are put together when it is sent.
CREATE TABLE follow.mail (
    "position" bigint NOT NULL,  -- of the event that it is about
    recipient  text COLLATE "C" NOT NULL
               CHECK (recipient IN ('user', 'former')),  -- former: at the e-mail until then
    user_id    text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    state      text COLLATE "C" NOT NULL DEFAULT 'due'
               CHECK (state IN ('due', 'sent', 'parked', 'dropped')),
    due_at     timestamptz NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    trouble    text NOT NULL DEFAULT '',  -- of the last attempt; why it was dropped
    settled_at timestamptz,               -- when it was sent, parked or dropped
    PRIMARY KEY ("position", recipient)
);
CREATE INDEX ON follow.mail (due_at) WHERE state = 'due';
CREATE INDEX ON follow.mail (state) WHERE state IN ('due', 'parked');
CREATE INDEX ON follow.mail (settled_at);
CREATE INDEX ON follow.mail (user_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON follow.mail TO rollcall_app;
