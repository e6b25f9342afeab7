"""`rollcall rotate-master-key`: another master key in the place of the one there is."""

import argparse
import os
import secrets
from contextlib import suppress

import psycopg

from domain.log.master_keys import KEY_BYTES, KeyFile, MasterKeyWrong, key_in, spelled
from domain.log.rotation import NotSealed, RotationUnderWay, alone, is_sealed_under, rewrap
from rollcall.database import conninfo_in_use
from rollcall.secret_keys import kept_people_key
from rollcall.settings import Settings, read_settings
from rollcall.state import State, persist_names, write_private
from rollcall.trouble import Trouble

HELP = "Wrap everything that is sealed about people under another master key, while all serve on."
EXAMPLES = """\
Everything goes on meanwhile. Killed at any moment, it has happened or it has not; run it again, or
start Rollcall, and what was begun is brought to its end.

Where the master key is in the state directory, another one is made and takes its place:
  rollcall rotate-master-key

Where you keep it yourself, in ROLLCALL_MASTER_KEY, that is both keys for a while:
  1. start every process with ROLLCALL_MASTER_KEY=FORMER,NEXT
  2. ROLLCALL_MASTER_KEY=FORMER,NEXT rollcall rotate-master-key
  3. start every process with ROLLCALL_MASTER_KEY=NEXT
A key is 32 random bytes in base64: head -c 32 /dev/urandom | base64

A backup made before needs the former key: keep that one, or make another backup now. This is not
the key of devices, ROLLCALL_DEVICE_MASTER_KEY, which stays as it is.
"""
KEYS_NEEDED = "ROLLCALL_MASTER_KEY must be FORMER,NEXT: the key that there is, and another one."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    try:
        with alone(conninfo_in_use(os.environ)) as connection:
            print(rotate(connection, settings))
    except (RotationUnderWay, NotSealed, MasterKeyWrong) as reason:
        raise Trouble(str(reason)) from None
    except psycopg.errors.UndefinedTable:
        raise Trouble("The database is of an older version: `rollcall migrate` first.") from None
    except psycopg.OperationalError as error:
        raise Trouble(f"The database cannot be used: {error}") from None
    return 0


def rotate(connection: psycopg.Connection, settings: Settings) -> str:
    """What to say of it. Raises what `rewrap` does, and Trouble."""
    if not settings.people_keys:
        return rotate_file(connection, State(settings.state))
    if len(settings.people_keys) == 1 or len(set(settings.people_keys)) == 1:
        raise Trouble(KEYS_NEEDED)
    former, following = settings.people_keys
    if is_sealed_under(connection, following):
        return "The second of the two keys is in effect already."
    return f"{rewrap(connection, former, following):,} keys are wrapped under the second key now."


def rotate_file(connection: psycopg.Connection, state: State) -> str:
    """The next key is in its file before anything is wrapped under it, and stays there until it has
    the other's place: whoever reads, finds the one that is in effect."""
    former, kept = kept_people_key(state), KeyFile(state.master_key)
    if finished(connection, kept):
        return f"The change that was cut off is brought to its end; the key is in {kept.path}."
    following = secrets.token_bytes(KEY_BYTES)
    write_private(kept.next, f"{spelled(following)}\n".encode())
    keys = rewrap(connection, former, following)
    take_place(kept)
    return f"{keys:,} keys are wrapped under a new master key, which is in {kept.path}."


def finish_rotation(conninfo: str, state: State) -> None:
    """Bring a change that was cut off to its end, unless somebody is at it just now."""
    kept = KeyFile(state.master_key)
    if kept.next.exists():
        with suppress(RotationUnderWay), alone(conninfo) as connection:
            finished(connection, kept)


def finished(connection: psycopg.Connection, kept: KeyFile) -> bool:
    """Whether the next key was in effect already, and has its place now."""
    try:
        if not is_sealed_under(connection, key_in(kept.next)):
            return False
    except FileNotFoundError:
        return False
    take_place(kept)
    return True


def take_place(kept: KeyFile) -> None:
    """The former key is nowhere any more."""
    kept.next.rename(kept.path)
    persist_names(kept.path.parent)
