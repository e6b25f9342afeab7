"""Logs to compare ours with: the bare table, and the library's own recorder on its own table."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from secrets import token_hex
from typing import Any

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import StoredEvent
from psycopg import Cursor
from psycopg.conninfo import conninfo_to_dict

from domain.device_events import DeviceNamed
from domain.log.mapper import RecordedMapper
from domain.recorded import Provenance, Recorded

# The columns and indexes of log.fleet_events, and nothing else of it: no trigger, no lock.
BARE = """
    CREATE TABLE bare_events (
        originator_id text COLLATE "C" NOT NULL, originator_version bigint NOT NULL,
        topic text COLLATE "C" NOT NULL, state bytea NOT NULL,
        notification_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (originator_id, originator_version)
    );
    CREATE UNIQUE INDEX ON bare_events (notification_id);
"""
INSERT = """
    INSERT INTO bare_events (originator_id, originator_version, topic, state)
    VALUES (%s, %s, %s, %s)
"""
COPY = (
    "COPY bare_events (originator_id, originator_version, topic, state) FROM STDIN (FORMAT BINARY)"
)
ACTOR = Provenance(actor="ada", origin="bench", request="0123456789abcdef")
MAPPER = RecordedMapper()
RUN = token_hex(3)
NUMBERS = count()


class LibrarysOwn(Application[str]):
    """Nothing of ours: its own recorder, its own table, in a schema beside ours."""

    name = "library"


def fresh() -> Recorded:
    """The first event of a device that nobody has heard of."""
    device_id = f"{RUN}{next(NUMBERS):018x}"
    event = DeviceNamed(device_id=device_id, name="A lamp in the kitchen")
    return Recorded(f"device-{device_id}", 1, event, ACTOR)


def fresh_stored() -> StoredEvent:
    return MAPPER.to_stored_event(fresh())


def make_bare(conninfo: str) -> None:
    with psycopg.connect(conninfo) as owner:
        owner.execute(BARE)


@contextmanager
def librarys_own(conninfo: str, connections: int) -> Iterator[LibrarysOwn]:
    words = conninfo_to_dict(conninfo)
    app = LibrarysOwn(
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": str(words["dbname"]),
            "POSTGRES_HOST": str(words["host"]),
            "POSTGRES_PORT": str(words.get("port", 5432)),
            "POSTGRES_USER": str(words["user"]),
            "POSTGRES_PASSWORD": str(words.get("password", "")),
            "POSTGRES_POOL_SIZE": str(connections),
            "POSTGRES_MAX_OVERFLOW": "0",
            "ORIGINATOR_ID_TYPE": "text",
        }
    )
    try:
        yield app
    finally:
        app.close()


def insert_bare(cursor: Cursor[Any], event: StoredEvent) -> None:
    row = (event.originator_id, event.originator_version, event.topic, event.state)
    cursor.execute(INSERT, row, prepare=True)
