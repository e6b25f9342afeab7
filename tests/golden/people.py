"""The lines about users, tokens and OAuth clients."""

from domain import client, token
from domain import user_events as user
from domain.model import Event
from domain.recorded import Provenance

USER = "5f1e0c0000000000000000ce"
TOKEN = "5f1e0c0000000000000000bb"
NEXT_TOKEN = "5f1e0c0000000000000000bc"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
REFRESH = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
SEALED = "v1.dGhpcyBpcyBub2JvZHkncyBidXNpbmVzcw=="
LATER = "2030-01-01T11:00:00.000Z"

NOBODY = Provenance()
HERSELF = Provenance(f"user:{USER}", "http 127.0.0.1", "request-1", 41, "command-1")

PEOPLE: list[tuple[Event, Provenance]] = [
    (
        user.UserSignedUp(
            user_id=USER, email=SEALED, password=SEALED, profile=SEALED, administrator=True
        ),
        HERSELF,
    ),
    (
        user.UserSignedUp(user_id=USER, email=SEALED, password=SEALED, profile=SEALED),
        NOBODY,
    ),
    (user.PasswordChanged(user_id=USER, password=SEALED), HERSELF),
    (user.PasswordRehashed(user_id=USER, password=SEALED), HERSELF),
    (
        user.PasswordResetRequested(user_id=USER, reset=SEALED, reset_hash=HASH, expires_at=LATER),
        NOBODY,
    ),
    (user.EmailChanged(user_id=USER, email=SEALED, former=SEALED), HERSELF),
    (user.ProfileChanged(user_id=USER, profile=SEALED), HERSELF),
    (
        user.TotpOffered(user_id=USER, secret=SEALED, offer_hash=HASH, expires_at=LATER),
        HERSELF,
    ),
    (user.TotpEnabled(user_id=USER, recovery=SEALED), HERSELF),
    (user.RecoveryCodeUsed(user_id=USER, code_hash=HASH), NOBODY),
    (user.TotpDisabled(user_id=USER), HERSELF),
    (user.UserErased(user_id=USER), HERSELF),
    (
        token.TokenIssued(
            token_id=TOKEN,
            token_hash=HASH,
            user_id=USER,
            client_id="particle-cli",
            scopes=("devices:list", "devices:get"),
            product_id=7000,
            organization_id="5f1e0c0000000000000000ff",
            expires_at=LATER,
            refresh_hash=REFRESH,
            refresh_expires_at=LATER,
        ),
        HERSELF,
    ),
    (
        token.TokenIssued(token_id=TOKEN, token_hash=HASH, api_user_id="5f1e0c0000000000000000aa"),
        NOBODY,
    ),
    (token.TokenRevoked(token_id=TOKEN), HERSELF),
    (token.TokenRevoked(token_id=TOKEN, replaced_by=NEXT_TOKEN), HERSELF),
    (
        client.ClientRegistered(
            client_id="lamp-app-1234",
            name="Lamp app",
            type="web",
            redirect_uri="https://lamp.example/back",
            secret_hash=HASH,
            scope="customers:create",
            user_id=USER,
            product_id=7000,
        ),
        HERSELF,
    ),
    (
        client.ClientRegistered(client_id="particle", name="particle", type="installed"),
        NOBODY,
    ),
    (client.ClientChanged(client_id="lamp-app-1234", name="Lamps", scope="*:*"), HERSELF),
    (client.ClientRemoved(client_id="lamp-app-1234"), HERSELF),
]
