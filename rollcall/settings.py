"""Everything the environment may ask for, read once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from device_edge.nkeys import KeyPair, SeedMalformed
from domain.log.master_keys import MasterKeyMalformed, master_keys_of
from domain.names import EMAIL_CHARACTERS_MAX
from rollcall.state import state_path
from rollcall.trouble import Trouble

PORT_MAX = 65535
MASTER_KEY_DIGITS = 64
ADMIN_EMAIL = "admin@rollcall.local"
EXTERNAL_NATS = ("NATS_URL", "NATS_AUTH_URL", "ROLLCALL_ISSUER_SEED")


@dataclass(frozen=True)
class Wish:
    """A port somebody listens on: the variable that asks for it, and ours where none does."""

    name: str
    variable: str
    default: int


WISHES = (
    Wish("http", "ROLLCALL_HTTP_PORT", 8080),
    Wish("mqtt", "ROLLCALL_MQTT_PORT", 1883),
    Wish("nats", "ROLLCALL_NATS_PORT", 4222),
    Wish("device_http", "ROLLCALL_DEVICE_HTTP_PORT", 8081),
)


@dataclass(frozen=True)
class Settings:
    """What was asked for. `ports` holds only those somebody asked for; 0 is any free one."""

    state: Path
    ports: Mapping[str, int]
    http_host: str
    mqtt_host: str
    device_http_url: str | None
    database_url: str | None
    nats_url: str | None
    nats_auth_url: str | None
    issuer_seed: str | None
    master_key: str | None
    people_keys: tuple[bytes, ...]  # two while one takes the other's place; none: a file has it
    admin_email: str
    inherited: Mapping[str, str]

    @property
    def children_environment(self) -> dict[str, str]:
        """The environment as it is, without what would lead libpq past the embedded database."""
        if self.database_url:
            return dict(self.inherited)
        return {key: value for key, value in self.inherited.items() if not key.startswith("PG")}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises Trouble naming the variable that cannot be."""
    given = {key: value for key, value in environment.items() if value}
    missing = [name for name in EXTERNAL_NATS if name not in given]
    if "NATS_URL" in given and missing:
        raise Trouble(
            f"NATS_URL is set, so {' and '.join(missing)} must be set too: "
            "`rollcall nats-config` prints them for your own NATS."
        )
    return Settings(
        state=state_path(given.get("ROLLCALL_STATE")),
        ports={
            wish.name: port(wish.variable, given[wish.variable])
            for wish in WISHES
            if wish.variable in given
        },
        http_host=given.get("ROLLCALL_HTTP_HOST", "127.0.0.1"),
        mqtt_host=given.get("ROLLCALL_MQTT_HOST", "127.0.0.1"),
        device_http_url=given.get("ROLLCALL_DEVICE_HTTP_URL"),
        database_url=given.get("DATABASE_URL"),
        nats_url=given.get("NATS_URL"),
        nats_auth_url=given.get("NATS_AUTH_URL"),
        issuer_seed=issuer_seed(given.get("ROLLCALL_ISSUER_SEED")),
        master_key=master_key(given.get("ROLLCALL_DEVICE_MASTER_KEY")),
        people_keys=people_keys(given.get("ROLLCALL_MASTER_KEY")),
        admin_email=admin_email(given.get("ROLLCALL_ADMIN_EMAIL", ADMIN_EMAIL)),
        inherited=dict(environment),
    )


def issuer_seed(text: str | None) -> str | None:
    # A secret: the refusal does not repeat it.
    try:
        return text and KeyPair.from_seed(text).seed
    except SeedMalformed:
        raise Trouble("ROLLCALL_ISSUER_SEED is no seed of an NKey (SA…).") from None


def master_key(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(f"[0-9a-fA-F]{{{MASTER_KEY_DIGITS}}}", text):
        raise Trouble(f"ROLLCALL_DEVICE_MASTER_KEY is not {MASTER_KEY_DIGITS} hex digits.")
    return text


def people_keys(text: str | None) -> tuple[bytes, ...]:
    try:
        return () if text is None else master_keys_of(text)
    except MasterKeyMalformed as error:
        raise Trouble(f"ROLLCALL_MASTER_KEY: {error}") from None


def admin_email(text: str) -> str:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", text) or len(text) > EMAIL_CHARACTERS_MAX:
        raise Trouble(f"ROLLCALL_ADMIN_EMAIL is {text!r}, which is no e-mail address.")
    return text


def port(variable: str, text: str) -> int:
    if not text.isdecimal() or int(text) > PORT_MAX:
        raise Trouble(f"{variable} is {text!r}, which is no port: 0 to {PORT_MAX}.")
    return int(text)
