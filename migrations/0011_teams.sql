-- Who works on what with whom: members and invitations, programs, organizations, and what is offered
-- to whom. Tables of the read model `access`.
SET LOCAL ROLE rollcall_app;

CREATE TABLE access.member (
    team       text COLLATE "C" NOT NULL,  -- a product id as text, or an organization's id
    user_id    text COLLATE "C" NOT NULL,
    role       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('invited', 'member')),
    invited_at timestamptz,                -- NULL: an owner who took a seat
    expires_at timestamptz,                -- of an invitation that waits for its answer
    invited_by text NOT NULL,
    joined_at  timestamptz,
    PRIMARY KEY (team, user_id)
);
CREATE INDEX ON access.member (user_id);
CREATE INDEX ON access.member (expires_at) WHERE state = 'invited';

-- `token_id` is the one token that works for the program; others have no row in access.token.
CREATE TABLE access.api_user (
    api_user_id   text COLLATE "C" PRIMARY KEY,
    team          text COLLATE "C" NOT NULL,
    username      text COLLATE "C" NOT NULL UNIQUE,
    friendly_name text NOT NULL,
    scopes        text[] NOT NULL,
    token_id      text COLLATE "C" NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
CREATE INDEX ON access.api_user (team);

CREATE TABLE access.organization (
    organization_id text COLLATE "C" PRIMARY KEY,
    slug            text COLLATE "C" NOT NULL UNIQUE,
    name            text NOT NULL,
    owner           text COLLATE "C" NOT NULL,  -- a user's id
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);
CREATE INDEX ON access.organization (owner);

-- An ownership that somebody was offered and has not answered to.
CREATE TABLE access.ownership_offer (
    team       text COLLATE "C" PRIMARY KEY,  -- whose: a product id as text, or an organization's id
    user_id    text COLLATE "C" NOT NULL,
    offered_by text NOT NULL,
    offered_at timestamptz NOT NULL
);
CREATE INDEX ON access.ownership_offer (user_id);
RESET ROLE;
