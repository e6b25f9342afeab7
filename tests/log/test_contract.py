"""The contract tests that the library ships for recorders, run on ours over the migrated table."""

from typing import Any
from unittest import TestCase
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import ApplicationRecorder
from eventsourcing.tests import persistence as shipped

from domain.log.fleet import Fleet


class OnOurLog(TestCase):
    """Gives the shipped tests a recorder of ours."""

    database: str

    @pytest.fixture(autouse=True)
    def _use(self, database: str) -> None:
        self.database = database
        with psycopg.connect(database) as owner:
            # They number streams from 0, the library from 1; our table refuses what nobody writes.
            owner.execute(
                "ALTER TABLE log.fleet_events DROP CONSTRAINT fleet_events_originator_version_check"
            )

    def new_originator_id(self) -> str:
        return f"device-{uuid4()}"

    def create_recorder(self) -> Any:
        fleet = Fleet(self.database)
        self.addCleanup(fleet.close)
        return fleet.recorder


class TestApplicationRecorder(OnOurLog, shipped.ApplicationRecorderTestCase[ApplicationRecorder]):
    def test_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleaving(OnOurLog, shipped.NonInterleavingNotificationIDsBaseCase):
    pass
