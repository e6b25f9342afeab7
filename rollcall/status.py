"""`rollcall status`: what runs, where it listens, whether all of it serves."""

import argparse
import os
import sys
from typing import Any

import msgspec

from rollcall.embedded.processes import runs
from rollcall.settings import read_settings
from rollcall.state import Runtime, State

HELP = "Say what runs and where it listens. The exit code is 0 only when everything serves."
EXAMPLES = """\
--json prints one object, secrets included:
  ready         whether everything serves
  http, mqtt, nats, device_http   addresses, null where they are not ours
  nats_url      the address with the edges' password, for tools of an operator
  database      a conninfo for libpq
  admin_token   the administrator's token
  admin_email   the administrator's e-mail, by which to log in
  mails         where mails go: an SMTP server, or the folder they land in
  pids          process numbers by name
  ports, state, log
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object, and nothing else")


def run(arguments: argparse.Namespace) -> int:
    found = status(State(read_settings(os.environ).state))
    if arguments.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        print(readable(found))
    return 0 if found["ready"] else 1


def status(state: State) -> dict[str, Any]:
    """What `--json` prints. Addresses and secrets are null where nothing runs."""
    runtime = state.runtime() if state.is_owned() else None
    found: dict[str, Any] = {
        "ready": False,
        "http": None,
        "mqtt": None,
        "nats": None,
        "nats_url": None,
        "device_http": None,
        "database": None,
        "admin_token": None,
        "admin_email": None,
        "mails": None,
        "pids": {},
        "ports": {},
        "state": str(state.path),
        "log": str(state.logs),
    }
    return found if runtime is None else found | running(state, runtime)


def running(state: State, runtime: Runtime) -> dict[str, Any]:
    processes = {"supervisor": runtime.supervisor, **runtime.children}
    return {
        # The supervisor writes this down after the fact: a child may have died just now.
        "ready": runtime.ready and all(runs(known) for known in processes.values()),
        "http": runtime.http,
        "mqtt": runtime.mqtt,
        "nats": runtime.nats,
        "nats_url": runtime.nats_url,
        "device_http": runtime.device_http,
        "database": runtime.database,
        "admin_token": state.admin_token.read_text().strip(),
        "admin_email": runtime.admin_email,
        "mails": runtime.mails,
        "pids": {name: known.pid for name, known in processes.items()},
        "ports": runtime.ports,
    }


def readable(found: dict[str, Any]) -> str:
    if not found["pids"]:
        return f"Nothing runs; state directory {found['state']}."
    addresses = ("http", "device_http", "mqtt", "nats", "database", "mails", "state", "log")
    rows = [f"  {name:12} {found[name] or 'your own'}" for name in addresses]
    rows += [f"  {name:12} process {pid}" for name, pid in found["pids"].items()]
    return "\n".join(["Everything serves." if found["ready"] else "Not everything serves.", *rows])
