"""`rollcall nats-config`: what an operator's own NATS server must be told."""

import argparse
import os

from rollcall.embedded.nats import accounts
from rollcall.secret_keys import secrets_of
from rollcall.settings import read_settings
from rollcall.state import State
from rollcall.trouble import Trouble

HELP = "Print the accounts that your own NATS server needs, and the variables that then lead to it."
EXAMPLES = """\
The output holds secrets. Paste it into the server's configuration, beside jetstream and mqtt blocks
of your own, and give the variables in its first lines to every process of Rollcall.
"""
VARIABLES = """\
# NATS_URL=nats://edge:{edge}@HOST:4222
# NATS_AUTH_URL=nats://auth:{auth}@HOST:4222
# ROLLCALL_ISSUER_SEED={seed}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> int:
    state = State(read_settings(os.environ).state)
    if not state.secrets.exists() and not state.is_owned():
        state.own().close()
    if not os.access(state.path, os.W_OK):
        raise Trouble(f"{state.path} is not ours to read.")
    secrets = secrets_of(state)
    edge, auth, seed = secrets.nats_edge, secrets.nats_auth, secrets.issuer_seed
    print(VARIABLES.format(edge=edge, auth=auth, seed=seed))
    print(accounts(issuer_seed=seed, sys=secrets.nats_sys, auth=auth, edge=edge), end="")
    return 0
