"""`rollcall mails`: what waits to be sent and what was given up, and another try for the latter."""

import argparse
import os
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg

from projections.mails.model import FORMER
from projections.mails.sender import PARKED
from rollcall.database import conninfo_in_use
from rollcall.trouble import Trouble

HELP = "List the mails that wait or were parked after too much trouble; send the latter again."
EXAMPLES = """\
examples:
  rollcall mails            what waits, what is parked, and why
  rollcall mails --again    everything that is parked is due again, now
"""
LISTED_MAX = 1_000

LISTED = """
    SELECT "position", recipient, user_id, kind, state, attempts, due_at, trouble FROM follow.mail
    WHERE state IN ('due', 'parked') ORDER BY state, "position" LIMIT %s
"""
AGAIN = """
    UPDATE follow.mail SET state = 'due', attempts = 0, due_at = now(), settled_at = NULL
    WHERE state = 'parked'
"""


class Mail(NamedTuple):
    """A row of the list."""

    position: int
    recipient: str
    user_id: str
    kind: str
    state: str
    attempts: int
    due_at: datetime
    trouble: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--again", action="store_true", help="try what is parked again")


def run(arguments: argparse.Namespace) -> int:
    try:
        with psycopg.connect(conninfo_in_use(os.environ), autocommit=True) as connection:
            if arguments.again:
                print(f"Due again: {connection.execute(AGAIN).rowcount}.")
                return 0
            rows = connection.execute(LISTED, [LISTED_MAX]).fetchall()
    except psycopg.OperationalError as error:
        raise Trouble(f"The database cannot be used: {error}") from None
    except psycopg.errors.UndefinedTable:
        raise Trouble("The database is of an older version: `rollcall migrate` first.") from None
    print("\n".join(line(Mail(*row)) for row in rows) if rows else "No mail waits, none is parked.")
    return 0


def line(mail: Mail) -> str:
    """One mail. Its address is nowhere but in the mail itself: the user is named by their id."""
    whom = f"{mail.user_id}, at their former address" if mail.recipient == FORMER else mail.user_id
    when = f"due {mail.due_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    state = mail.state if mail.state == PARKED else when
    trouble = f": {mail.trouble}" if mail.trouble else ""
    return f"{mail.position} {mail.kind} to {whom}; {state}, tried {mail.attempts} times{trouble}"
