"""The device table as the library's own runner keeps it: an upsert and its position, each event."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from eventsourcing.application import Application
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import get_topic
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from domain.device_events import (
    DeviceGrouped,
    DeviceImported,
)
from domain.log.mapper import RecordedMapper
from domain.recorded import Recorded
from domain.session import (
    DeviceHandshook,
    FirmwareSeenRunning,
    SessionEnded,
    UpdateConfirmed,
    UpdateDelivered,
    UpdateStarted,
)

NAMES = count()
COLUMNS = ("device_id", "product_id", "groups", "running", "told", "online", "update_state")


class DeviceTable(PostgresTrackingRecorder):
    def __init__(self, datastore: PostgresDatastore, **more: Any) -> None:
        super().__init__(datastore, **more)
        table = Identifier(f"{self.tracking_table_name}_device")
        self.sql_create_statements.append(
            SQL(
                'CREATE TABLE IF NOT EXISTS {} (device_id text COLLATE "C" PRIMARY KEY,'
                " product_id integer, groups text[], running integer, told text, online boolean,"
                " update_state text)"
            ).format(table)
        )
        changes = SQL(", ").join(
            SQL("{0} = coalesce(excluded.{0}, known.{0})").format(Identifier(name))
            for name in COLUMNS[1:]
        )
        self._upsert = SQL(
            "INSERT INTO {} AS known VALUES (%s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (device_id) DO UPDATE SET {}"
        ).format(table, changes)

    def upsert(self, tracking: Tracking, device_id: str, **values: Any) -> None:
        row = [device_id, *(values.get(name) for name in COLUMNS[1:])]
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self._upsert, row, prepare=True)


class DeviceProjection(Projection[DeviceTable]):
    name = "devices"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        recorded: Recorded = domain_event
        event = recorded.event
        match event:
            case DeviceImported(device_id=device_id, product_id=product_id):
                self.view.upsert(tracking, device_id, product_id=product_id)
            case DeviceGrouped(device_id=device_id, groups=groups):
                self.view.upsert(tracking, device_id, groups=list(groups))
            case DeviceHandshook(device_id=device_id, told=told):
                self.view.upsert(tracking, device_id, told=told.told.value, online=True)
            case FirmwareSeenRunning(device_id=device_id, version=version):
                self.view.upsert(tracking, device_id, running=version)
            case UpdateStarted(device_id=device_id):
                self.view.upsert(tracking, device_id, update_state="started")
            case UpdateDelivered(device_id=device_id):
                self.view.upsert(tracking, device_id, update_state="delivered")
            case UpdateConfirmed(device_id=device_id):
                self.view.upsert(tracking, device_id, update_state="confirmed")
            case SessionEnded(device_id=device_id):
                self.view.upsert(tracking, device_id, online=False)
            case _:
                self.view.insert_tracking(tracking)


class LibrarysFleet(Application[str]):
    """Our log, read by the library's own recorder; our mapper, which is the faster one."""

    name = "fleet"


def environment(conninfo: str) -> dict[str, str]:
    words = conninfo_to_dict(conninfo)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "MAPPER_TOPIC": get_topic(RecordedMapper),
        "POSTGRES_DBNAME": str(words["dbname"]),
        "POSTGRES_HOST": str(words["host"]),
        "POSTGRES_PORT": str(words.get("port", 5432)),
        "POSTGRES_USER": str(words["user"]),
        "POSTGRES_PASSWORD": str(words.get("password", "")),
        "ORIGINATOR_ID_TYPE": "text",
        "FLEET_POSTGRES_SCHEMA": "log",
        "FLEET_CREATE_TABLE": "no",
    }


def librarys_rate(conninfo: str, seconds: float, *, synchronous: bool) -> float:
    """Events a second from the beginning of the log, in a table of its own."""
    projection = type("P", (DeviceProjection,), {"name": f"devices{next(NAMES)}"})
    with (
        session_options(f"-c synchronous_commit={'on' if synchronous else 'off'}"),
        ProjectionRunner(
            application_class=LibrarysFleet,
            projection_class=projection,
            view_class=DeviceTable,
            env=environment(conninfo),
        ) as runner,
    ):
        before, began = runner.view.max_tracking_id("fleet") or 0, time.perf_counter()
        time.sleep(seconds)
        after, took_s = runner.view.max_tracking_id("fleet") or 0, time.perf_counter() - began
    runner.view.datastore.close()
    return (after - before) / took_s


@contextmanager
def session_options(options: str) -> Iterator[None]:
    """For every connection made meanwhile: the library has no setting for them, libpq has."""
    os.environ["PGOPTIONS"] = options
    try:
        yield
    finally:
        del os.environ["PGOPTIONS"]
