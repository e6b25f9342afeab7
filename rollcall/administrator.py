"""`rollcall administrator`: make sure that somebody can come in, and say how."""

import argparse
import os

from rollcall.database import conninfo_in_use
from rollcall.founding import found
from rollcall.secret_keys import people_keys_of
from rollcall.settings import read_settings
from rollcall.state import State
from rollcall.trouble import Trouble

HELP = "Make the first administrator where there is none, and say how to come in."
EXAMPLES = """\
`rollcall up` does it by itself. Whoever starts the processes on their own does it once, after
`rollcall migrate`, and gives the processes the master key: ROLLCALL_MASTER_KEY.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    conninfo, state = conninfo_in_use(os.environ), State(settings.state)
    if not state.is_owned():
        state.own().close()
    if not os.access(state.path, os.W_OK):
        raise Trouble(f"{state.path} is not ours to write.")
    keys = people_keys_of(settings, state)
    founded = found(conninfo, keys, settings.admin_email, state)
    given, password = bool(settings.people_keys), state.admin_password
    rows = (
        ("e-mail", founded.email),
        ("password", f"the first one is in {password}" if password.exists() else "not kept here"),
        ("token", f"in {state.admin_token}"),
        ("key", "in ROLLCALL_MASTER_KEY" if given else f"in {state.master_key}"),
    )
    print("\n".join(f"{name:9} {value}" for name, value in rows))
    return 0
