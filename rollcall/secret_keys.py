"""The secrets of one Rollcall: made at its first start, kept in its state directory, 0600."""

import secrets

import msgspec
from msgspec import Struct

from device_edge.nkeys import KeyPair
from domain.log.master_keys import (
    KEY_BYTES,
    KeyFile,
    MasterKeyMalformed,
    Source,
    key_in,
    spelled,
)
from rollcall.settings import Settings
from rollcall.state import State, write_private
from rollcall.trouble import Trouble

PASSWORD_BYTES = 24
ADMIN_TOKEN_BYTES = 20
MASTER_KEY_BYTES = 32


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
    if state.admin_token.exists():
        return state.admin_token.read_text().strip(), False
    return new_admin_token(state), True


def new_admin_token(state: State) -> str:
    """Another one, in the place of the one there was."""
    token = secrets.token_hex(ADMIN_TOKEN_BYTES)
    write_private(state.admin_token, f"{token}\n".encode())
    return token


def new_admin_password(state: State) -> str:
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    write_private(state.admin_password, f"{password}\n".encode())
    return password


def people_key_of(state: State) -> bytes:
    """The master key of what is sealed, made if there is none yet. Only for the state's owner."""
    if not state.master_key.exists():
        made = spelled(secrets.token_bytes(KEY_BYTES))
        write_private(state.master_key, f"{made}\n".encode())
    return kept_people_key(state)


def people_keys_of(settings: Settings, state: State, *, made: bool = True) -> Source:
    """The master key of what is sealed, or two while one takes the other's place: what was asked
    for, else what is in the state directory. Raises Trouble."""
    if settings.people_keys:
        return lambda: settings.people_keys
    if made:
        people_key_of(state)
    else:
        kept_people_key(state)
    return KeyFile(state.master_key)


def kept_people_key(state: State) -> bytes:
    """The master key that was made earlier. Raises Trouble if it is not there, or is none."""
    try:
        return key_in(state.master_key)
    except FileNotFoundError:
        raise Trouble(f"There is no {state.master_key}: set ROLLCALL_MASTER_KEY.") from None
    except MasterKeyMalformed as error:
        raise Trouble(f"{state.master_key}: {error}") from None
