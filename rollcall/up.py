"""`rollcall up`: run the whole cloud here, or behind the terminal."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from rollcall.children import children
from rollcall.cloud import Cloud
from rollcall.embedded.processes import raise_open_files_max
from rollcall.settings import read_settings
from rollcall.state import State

HELP = "Run everything: PostgreSQL, NATS, the API, the projections, the edges and the workers."
EXAMPLES = """\
examples:
  rollcall up                          until Ctrl-C
  rollcall up --detach                 come back once everything serves; `rollcall stop` stops it
  ROLLCALL_HTTP_PORT=9000 rollcall up  on a port of your own
  DATABASE_URL=… rollcall up           with your own PostgreSQL 15 to 18

environment:
  ROLLCALL_STATE                       the state directory; .run in the checkout
  ROLLCALL_HTTP_PORT, ROLLCALL_MQTT_PORT, ROLLCALL_NATS_PORT, ROLLCALL_DEVICE_HTTP_PORT
                                       8080, 1883, 4222, 8081; 0 is any free port
  ROLLCALL_HTTP_HOST, ROLLCALL_MQTT_HOST
                                       127.0.0.1; 0.0.0.0 lets other machines in
  ROLLCALL_DEVICE_HTTP_URL             where devices are told to fetch firmware
  ROLLCALL_DEVICE_MASTER_KEY           64 hex digits instead of a key of our own making
  ROLLCALL_MASTER_KEY                  32 bytes in base64, the key to what is sealed about people,
                                       instead of one of our own making
  ROLLCALL_ADMIN_EMAIL                 the first administrator's; admin@rollcall.local
  ROLLCALL_SMTP_URL, ROLLCALL_MAIL_FROM
                                       a server for mails, and from whom they are; else they
                                       land in the state directory
  ROLLCALL_PUBLIC_URL                  the API's address as people reach it, for mails
  ROLLCALL_LIMITS, ROLLCALL_PROXIES    what one address may have, and how many proxies of yours
                                       stand before the API
  DATABASE_URL                         your own PostgreSQL
  NATS_URL, NATS_AUTH_URL, ROLLCALL_ISSUER_SEED
                                       your own NATS; see `rollcall nats-config`
"""
EDGES_MAX = 64
DETACHED = (sys.executable, "-m", "rollcall.cli", "up", "--detached")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--detach", action="store_true", help="come back once everything serves, and leave it so"
    )
    parser.add_argument(
        "--edges", type=edges, default=1, metavar="N", help="edge processes (%(default)s)"
    )
    parser.add_argument("--detached", action="store_true", help=argparse.SUPPRESS)


def edges(text: str) -> int:
    number = int(text)
    if not 1 <= number <= EDGES_MAX:
        raise argparse.ArgumentTypeError(f"from 1 to {EDGES_MAX}")
    return number


def run(arguments: argparse.Namespace) -> int:
    settings = read_settings(os.environ)
    if arguments.detach:
        return detach(State(settings.state), [*DETACHED, "--edges", str(arguments.edges)])
    raise_open_files_max()
    state = State(settings.state)
    announce = partial(announce_and_leave, state) if arguments.detached else say
    Cloud(settings, children(arguments.edges), say=say, announce=announce).run()
    return 0


def say(text: str) -> None:
    print(text, flush=True)


def announce_and_leave(state: State, text: str) -> None:
    """Say it to the terminal, and from then on speak to the log: the terminal's pipe is closed."""
    say(text)
    with (state.logs / "supervisor.log").open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())


def detach(state: State, command: Sequence[str]) -> int:
    """Start a supervisor in a session of its own, and repeat what it says until it says no more."""
    supervisor = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    assert supervisor.stdout is not None
    try:
        for line in supervisor.stdout:
            print(line, end="", flush=True)
    except KeyboardInterrupt:
        supervisor.send_signal(signal.SIGTERM)
        return supervisor.wait()
    runtime = state.runtime()
    if runtime and runtime.ready and runtime.supervisor.pid == supervisor.pid:
        return 0
    return supervisor.wait() or 1
