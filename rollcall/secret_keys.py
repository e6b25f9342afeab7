"""The secrets of one Rollcall: made at its first start, kept in its state directory, 0600."""

import hashlib
import secrets

import msgspec
import psycopg
from msgspec import Struct

from device_edge.nkeys import KeyPair
from rollcall.state import State, write_private

PASSWORD_BYTES = 24
ADMIN_TOKEN_BYTES = 20
MASTER_KEY_BYTES = 32
ADD_TOKEN = "INSERT INTO api.token (token_hash, label) VALUES (%s, %s) ON CONFLICT DO NOTHING"


class Secrets(Struct, frozen=True):
    """Passwords of NATS' own users, the key that signs devices in, the key behind their secrets."""

    nats_sys: str
    nats_auth: str
    nats_edge: str
    issuer_seed: str
    device_master_key: str


def secrets_of(state: State) -> Secrets:
    """The secrets kept there, made if there are none yet. Only for the state's owner."""
    if not state.secrets.exists():
        made = Secrets(
            nats_sys=secrets.token_hex(PASSWORD_BYTES),
            nats_auth=secrets.token_hex(PASSWORD_BYTES),
            nats_edge=secrets.token_hex(PASSWORD_BYTES),
            issuer_seed=KeyPair.new("A").seed,
            device_master_key=secrets.token_hex(MASTER_KEY_BYTES),
        )
        write_private(state.secrets, msgspec.json.encode(made))
    return msgspec.json.decode(state.secrets.read_bytes(), type=Secrets)


def admin_token_of(state: State) -> tuple[str, bool]:
    """The administrator's token, and whether it was made just now. Only for the state's owner."""
    new = not state.admin_token.exists()
    if new:
        write_private(state.admin_token, f"{secrets.token_hex(ADMIN_TOKEN_BYTES)}\n".encode())
    return state.admin_token.read_text().strip(), new


def admit(token: str, conninfo: str) -> None:
    """Let the token in. The database learns its SHA-256 only."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(ADD_TOKEN, [hashlib.sha256(token.encode()).digest(), "administrator"])
