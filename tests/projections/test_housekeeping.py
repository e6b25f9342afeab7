"""What is over is forgotten, in bounded parts; what is not stays, and a rebuild is as it was."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from domain.log.fleet import Fleet
from domain.log.seals import Seals
from domain.ownership import ClaimDevice, RequestTransfer
from domain.token import ReplaceToken
from projections import housekeeping
from projections.housekeeping import FORGOTTEN, KEPT, Housekeeping
from projections.rebuilding.rebuild import Differs, rebuild
from tests.people import MASTER_KEY, id_for
from tests.projections.following import connected, query, run
from tests.projections.test_access import ADA, BOB, Told
from tests.projections.world import DEVICES

NOW = datetime.now(UTC).replace(microsecond=0)
SOON, LATER = NOW + timedelta(days=1), NOW + timedelta(days=40)
LONG_AFTER = LATER + KEPT + timedelta(days=1)


@pytest.fixture
def told(database: str) -> Iterator[Told]:
    with (
        closing(Fleet(database, pool_connections=1)) as fleet,
        closing(Seals(database, MASTER_KEY)) as seals,
    ):
        told = Told(database, fleet, seals)
        told.sign_up(ADA, "ada@example.test")
        told.sign_up(BOB, "bob@example.test")
        yield told


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def forget(database: str, now: datetime) -> None:
    run(database, Housekeeping(now=lambda: now))


def count(database: str, table: str) -> int:
    [(rows,)] = query(database, f"SELECT count(*) FROM {table}")
    return int(rows)


def test_a_token_is_forgotten_once_it_and_its_refresh_token_are_long_over(told: Told) -> None:
    never = told.issue("never", user_id=ADA)
    told.issue("short", user_id=ADA, expires_at=stamp(SOON))
    refreshable = told.issue(
        "refreshable",
        user_id=ADA,
        expires_at=stamp(SOON),
        refresh_hash="a" * 64,
        refresh_expires_at=stamp(LATER),
    )
    told.follow()

    forget(told.database, SOON + KEPT)
    assert len(told.tokens()) == 3
    forget(told.database, SOON + KEPT + timedelta(seconds=1))
    assert told.tokens() == {never, refreshable}
    forget(told.database, LATER + KEPT + timedelta(seconds=1))
    assert told.tokens() == {never}


def test_a_spent_refresh_token_is_remembered_as_long_as_it_would_have_worked(told: Told) -> None:
    traded(told)
    forget(told.database, LATER + KEPT)
    assert count(told.database, "access.spent_refresh") == 1
    forget(told.database, LATER + KEPT + timedelta(seconds=1))
    assert count(told.database, "access.spent_refresh") == 0


def traded(told: Told) -> str:
    """The id of a token whose refresh token was traded for another's."""
    lost = told.issue(
        "lost",
        user_id=ADA,
        expires_at=stamp(SOON),
        refresh_hash="a" * 64,
        refresh_expires_at=stamp(LATER),
    )
    told.do(
        ReplaceToken(
            token_id=lost, refresh_hash="a" * 64, replaced_by=id_for("next"), now=stamp(NOW)
        )
    )
    told.follow()
    return lost


def ask_for_a_device(told: Told) -> None:
    told.do(ClaimDevice(device_id=DEVICES[0], user_id=ADA, reachable=True))
    told.do(
        RequestTransfer(
            device_id=DEVICES[0],
            user_id=BOB,
            transfer_id="t1",
            expires_at=stamp(SOON),
            at=stamp(NOW),
        )
    )
    told.follow()


def test_a_transfer_that_nobody_answered_is_forgotten(told: Told) -> None:
    ask_for_a_device(told)
    forget(told.database, SOON + KEPT)
    assert count(told.database, "access.device_transfer") == 1
    forget(told.database, SOON + KEPT + timedelta(seconds=1))
    assert count(told.database, "access.device_transfer") == 0


def test_a_rebuilt_model_is_the_same_but_for_what_may_be_forgotten(told: Told) -> None:
    """Rows that are over are made again by the rebuild, and forgotten again after it."""
    ago = NOW - KEPT - timedelta(days=1)
    told.issue("of old", user_id=ADA, expires_at=stamp(ago))
    told.issue("just over", user_id=ADA, expires_at=stamp(NOW - timedelta(minutes=1)))
    traded(told)
    ask_for_a_device(told)
    forget(told.database, datetime.now(UTC))
    assert count(told.database, "access.token") == 1

    rebuild(told.database, "access", accept=False, say=print, seals=told.seals)
    assert count(told.database, "access.token") == 2
    forget(told.database, datetime.now(UTC))
    assert count(told.database, "access.token") == 1


def test_what_went_too_early_is_a_difference(told: Told) -> None:
    told.issue("just over", user_id=ADA, expires_at=stamp(NOW - timedelta(minutes=1)))
    told.follow()
    query(told.database, "DELETE FROM access.token RETURNING 1")
    said: list[str] = []
    with pytest.raises(Differs):
        rebuild(told.database, "access", accept=False, say=said.append, seals=told.seals)
    assert any("only in access_rebuilt.token" in line for line in said)


# One row of each of the other tables, which was over (or happened) at the instant given.
OTHERS = {
    "api.idempotent_call": """
        INSERT INTO api.idempotent_call (caller, key, fingerprint, command, created_at)
        VALUES ('', 'key', '', '', %s)""",
    "api.spent": "INSERT INTO api.spent VALUES ('requests', '192.0.2.1', %s, 1)",
    "api.bad_log_in": "INSERT INTO api.bad_log_in VALUES ('address', '192.0.2.1', 1, %s)",
    "api.voucher": "INSERT INTO api.voucher VALUES ('', 'code', '', '', '{}', 1, '', %s)",
    "api.otp_taken": """
        INSERT INTO api.otp_taken
        VALUES ('ada', ceil(extract(epoch FROM %s::timestamptz) / 30))""",
    "follow.mail": """
        INSERT INTO follow.mail VALUES (1, 'user', 'ada', 'welcome', 'sent', %s, 1, '', %s)""",
}


def insert(database: str, table: str, at: datetime) -> None:
    statement = OTHERS[table]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement.encode(), [at] * statement.count("%s"))


def test_every_table_that_is_looked_after_is_tried_here() -> None:
    ours = {f"{one.schema}.{one.table}" for one in FORGOTTEN if one.schema != "access"}
    assert ours == OTHERS.keys()


@pytest.mark.parametrize("table", OTHERS)
def test_a_row_is_kept_as_long_as_it_says_and_then_goes(database: str, table: str) -> None:
    (kept,) = [one.kept for one in FORGOTTEN if f"{one.schema}.{one.table}" == table]
    insert(database, table, NOW)

    forget(database, NOW + kept - timedelta(seconds=1))
    assert count(database, table) == 1
    forget(database, NOW + kept + timedelta(seconds=31))
    assert count(database, table) == 0


def test_mails_that_wait_or_were_parked_stay(database: str) -> None:
    query(
        database,
        """INSERT INTO follow.mail SELECT n, 'user', 'ada', 'welcome', state, now(), 1, '', now()
           FROM unnest(ARRAY['due', 'parked', 'sent', 'dropped']) WITH ORDINALITY AS t (state, n)
           RETURNING 1""",
    )
    forget(database, LONG_AFTER + timedelta(days=365))
    left = query(database, "SELECT state FROM follow.mail ORDER BY 1")
    assert left == [("due",), ("parked",)]


def test_however_much_there_is_it_goes_in_parts(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "ROWS_AT_ONCE", 100)
    query(
        database,
        """INSERT INTO api.spent SELECT 'requests', n::text, now(), 1
           FROM generate_series(1, 250) AS n RETURNING 1""",
    )
    left: list[int] = []
    with connected(database) as connection:
        task = Housekeeping(now=lambda: LONG_AFTER)
        while task.step(connection):
            left.append(count(database, "api.spent"))
    assert left == [150, 50]
    assert count(database, "api.spent") == 0


def test_it_looks_now_and_then(database: str) -> None:
    clock = Clock()
    with connected(database) as connection:
        task = Housekeeping(now=clock)
        assert not task.step(connection)
        insert(database, "api.spent", clock() - timedelta(hours=1))
        assert not task.step(connection)
        assert count(database, "api.spent") == 1
        clock.now += housekeeping.LOOK_EVERY
        task.step(connection)
    assert count(database, "api.spent") == 0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


# Of one-time passwords the table holds those of the last ten minutes, and nothing else.
INDEXED = [one for one in FORGOTTEN if one.table != "otp_taken"]


@pytest.mark.parametrize("forgotten", INDEXED, ids=lambda one: one.table)
def test_what_is_over_is_found_without_looking_at_the_rest(database: str, forgotten: Any) -> None:
    with connected(database) as connection:
        connection.execute("SET enable_seqscan = off")
        statement = housekeeping.statement_of(forgotten).as_bytes(connection)
        plan = connection.execute(b"EXPLAIN " + statement, [NOW]).fetchall()
    lines = " ".join(line for (line,) in plan)
    assert "Index Cond" in lines
    assert lines.count("Seq Scan") == 0
