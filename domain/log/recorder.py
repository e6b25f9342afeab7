"""The recorder: one statement an append, concurrent appends grouped into one commit, COPY for bulk.

A subclass of the library's application recorder with the same contract and the same promise to
followers: positions become visible in their order. The lock of the table's trigger keeps it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import sleep
from typing import Any, NamedTuple

from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    Notification,
    OperationalError,
    StoredEvent,
)
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from eventsourcing.utils import retry
from psycopg import Cursor
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from domain.log.copy import to_copy

COPY_EVENTS_MIN = 128  # from here on a COPY is cheaper than arrays
GROUP_REQUESTS_MAX = 256
COPY_WRITE_BYTES = 256 * 1024
POSITION_MAX = 2**63 - 1
ATTEMPTS_MAX = 10
ATTEMPT_WAIT_S = 0.2

# A row of the log: stream, stream_version, topic, state, position, recorded_at.
Row = tuple[str, int, str, bytes, int, datetime]


# What else a transaction does that appends events: it commits with them or not at all.
Alongside = Callable[[Cursor[tuple[Any, ...]]], None]


class Guard(NamedTuple):
    """A condition on the whole log: no event of these names since a position, about the product.

    Without a product: about whatever it is.
    """

    after: int
    topics: tuple[str, ...]
    product_id: int | None = None


class MovedOn(IntegrityError):
    """An event that the decision did not know of stands in its way."""

    def __init__(self, position: int) -> None:
        super().__init__(f"history moved on at position {position}")
        self.position = position


class Request:
    """One caller's events on their way into a group; the lock is held until there is a result."""

    __slots__ = ("done", "events", "result")

    def __init__(self, events: Sequence[StoredEvent]) -> None:
        self.events = events
        self.result: Sequence[int] | BaseException = ()
        self.done = Lock()  # the cheapest thing a thread can wait for once
        self.done.acquire()


class GroupCommitRecorder(PostgresApplicationRecorder):
    """While one group of appends is being committed, the next one gathers."""

    def __init__(
        self, datastore: PostgresDatastore, *, events_table_name: str = "stored_events"
    ) -> None:
        super().__init__(datastore, events_table_name=events_table_name)
        names = {
            "schema": Identifier(datastore.schema),
            "table": Identifier(events_table_name),
        }
        self._append_sql = SQL(
            "SELECT first_position, refused, moved_on FROM {schema}.append("
            "%b, %b::int8[], %b, %b, %b::int4[], %b::int8, %b::text[], %b::int4)"
        ).format(**names)
        self._copy_sql = SQL(
            "COPY {schema}.{table} (originator_id, originator_version, topic, state)"
            " FROM STDIN (FORMAT BINARY)"
        ).format(**names)
        # Read under the lock that the COPY took: nobody else's event can be the last one.
        self._last_sql = SQL("SELECT max(notification_id) FROM {schema}.{table}").format(**names)
        self._lock_sql = SQL("SELECT pg_advisory_xact_lock({schema}.lock_key())").format(**names)
        self._found_sql = SQL(
            "SELECT known.notification_id FROM unnest(%b::text[], %b::int8[], %b::text[],"
            " %b::bytea[]) WITH ORDINALITY AS sent (stream, stream_version, topic, state, place)"
            " JOIN {schema}.{table} AS known ON known.originator_id = sent.stream"
            " AND known.originator_version = sent.stream_version"
            " AND known.topic = sent.topic AND known.state = sent.state ORDER BY sent.place"
        ).format(**names)
        columns = SQL(
            "SELECT originator_id, originator_version, topic, state, notification_id, recorded_at"
            " FROM {schema}.{table}"
        ).format(**names)
        within = SQL(" WHERE notification_id > %s AND notification_id <= %s")
        in_order = SQL(" ORDER BY notification_id LIMIT %s")
        self._page_sql = columns + within + in_order
        self._page_topics_sql = columns + within + SQL(" AND topic = ANY(%s)") + in_order
        self._waiting: SimpleQueue[Request | None] = SimpleQueue()
        self._starting = Lock()
        self._committer: Thread | None = None

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Append events of one or more streams, all or none; returns their positions.

        `guard` makes the append depend on the rest of the log; `alongside` is called with a cursor
        of the same transaction. Raises IntegrityError if a stream has moved on, MovedOn if the
        guard found something.
        """
        alongside: Alongside | None = kwargs.get("alongside")
        if alongside is not None:
            return self._copy(stored_events, alongside)
        if not stored_events:
            return []
        guard: Guard | None = kwargs.get("guard")
        if guard is not None:
            return self._unless_refused(self._append([stored_events], guard)[0])
        if len(stored_events) >= COPY_EVENTS_MIN:
            return self._copy(stored_events, lambda cursor: None)
        request = Request(stored_events)
        self._ensure_committer()
        self._waiting.put(request)
        request.done.acquire()
        return self._unless_refused(request.result)

    @staticmethod
    def _unless_refused(result: Sequence[int] | BaseException) -> Sequence[int]:
        if isinstance(result, BaseException):
            raise result
        return result

    def _ensure_committer(self) -> None:
        if self._committer is None:
            with self._starting:
                if self._committer is None:
                    thread = Thread(target=self._commit_groups, daemon=True, name="committer")
                    thread.start()
                    self._committer = thread

    def _commit_groups(self) -> None:
        stopping = False
        while not stopping:
            group = [self._waiting.get()]
            try:
                while len(group) < GROUP_REQUESTS_MAX:
                    group.append(self._waiting.get_nowait())
            except Empty:
                pass  # everybody who waited is aboard
            stopping = None in group
            requests = [request for request in group if request is not None]
            if requests:
                self._commit(requests)

    def _commit(self, requests: list[Request]) -> None:
        results: Sequence[Sequence[int] | BaseException]
        try:
            results = self._append([request.events for request in requests])
        except BaseException as error:  # handed to every caller of the group
            results = [error] * len(requests)
        for request, result in zip(requests, results, strict=True):
            request.result = result
            request.done.release()

    def _append(
        self, requests: Sequence[Sequence[StoredEvent]], guard: Guard | None = None
    ) -> list[Sequence[int] | BaseException]:
        """Commit many requests at once; the positions, or an IntegrityError, of each."""
        try:
            return self._append_once(requests, guard)
        except (InterfaceError, OperationalError):
            sleep(ATTEMPT_WAIT_S)
        results: list[Sequence[int] | BaseException] = self._append_again(requests, guard)
        return results

    @retry((InterfaceError, OperationalError), max_attempts=ATTEMPTS_MAX, wait=ATTEMPT_WAIT_S)
    def _append_again(
        self, requests: Sequence[Sequence[StoredEvent]], guard: Guard | None
    ) -> list[Sequence[int] | BaseException]:
        """After a connection broke: what it may have committed is found, not made twice."""
        lost = self._lost_within(requests)
        results: list[Sequence[int] | BaseException | None] = [
            None if number in lost else self._found(events)
            for number, events in enumerate(requests)
        ]
        missing = [number for number, result in enumerate(results) if result is None]
        if missing:
            appended = self._append_once([requests[number] for number in missing], guard)
            for number, result in zip(missing, appended, strict=True):
                results[number] = result
        return [result for result in results if result is not None]

    def _found(self, stored_events: Sequence[StoredEvent]) -> Sequence[int] | None:
        """The positions of these very events; None if they are not in the log, all of them."""
        columns = (
            [event.originator_id for event in stored_events],
            [event.originator_version for event in stored_events],
            [event.topic for event in stored_events],
            [event.state for event in stored_events],
        )
        with (
            self.datastore.get_connection() as connection,
            connection.transaction(),
            connection.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            # The broken connection's server process may be at its commit, and then has the lock.
            cursor.execute(self._lock_sql)
            rows = cursor.execute(self._found_sql, columns).fetchall()
        return [position for (position,) in rows] if len(rows) == len(stored_events) else None

    def _append_once(
        self, requests: Sequence[Sequence[StoredEvent]], guard: Guard | None
    ) -> list[Sequence[int] | BaseException]:
        lost = self._lost_within(requests)
        events = [
            (event, number)
            for number, request in enumerate(requests)
            if number not in lost
            for event in request
        ]
        columns = (
            [event.originator_id for event, _ in events],
            [event.originator_version for event, _ in events],
            [event.topic for event, _ in events],
            [event.state for event, _ in events],
            [number for _, number in events],
        )
        watch = (guard.after, list(guard.topics), guard.product_id) if guard else (None,) * 3
        with (
            self.datastore.get_connection() as connection,
            connection.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            row = cursor.execute(self._append_sql, (*columns, *watch), prepare=True).fetchone()
        assert row is not None
        first, refused, moved_on = row
        if moved_on is not None:
            return [MovedOn(moved_on)] * len(requests)
        return self._positions(requests, lost | set(refused), first)

    @staticmethod
    def _lost_within(requests: Sequence[Sequence[StoredEvent]]) -> set[int]:
        """The requests that an earlier one of the same group beat to a place in a stream."""
        lost: set[int] = set()
        taken: set[tuple[Any, int]] = set()
        for number, events in enumerate(requests):
            places = {(event.originator_id, event.originator_version) for event in events}
            if len(places) < len(events) or not taken.isdisjoint(places):
                lost.add(number)
            else:
                taken |= places
        return lost

    @staticmethod
    def _positions(
        requests: Sequence[Sequence[StoredEvent]], refused: set[int], first: int | None
    ) -> list[Sequence[int] | BaseException]:
        results: list[Sequence[int] | BaseException] = []
        for number, events in enumerate(requests):
            if number in refused:
                results.append(IntegrityError("the stream has moved on"))
                continue
            assert first is not None
            results.append([*range(first, first + len(events))])
            first += len(events)
        return results

    def _copy(self, stored_events: Sequence[StoredEvent], alongside: Alongside) -> Sequence[int]:
        try:
            return self._copy_once(stored_events, alongside)
        except (InterfaceError, OperationalError):
            sleep(ATTEMPT_WAIT_S)
        positions: Sequence[int] = self._copy_again(stored_events, alongside)
        return positions

    @retry((InterfaceError, OperationalError), max_attempts=ATTEMPTS_MAX, wait=ATTEMPT_WAIT_S)
    def _copy_again(
        self, stored_events: Sequence[StoredEvent], alongside: Alongside
    ) -> Sequence[int]:
        found = self._found(stored_events) if stored_events else None
        # With the events, what goes alongside them was committed.
        return self._copy_once(stored_events, alongside) if found is None else found

    def _copy_once(
        self, stored_events: Sequence[StoredEvent], alongside: Alongside
    ) -> Sequence[int]:
        body = to_copy(stored_events)
        with (
            self.datastore.get_connection() as connection,
            connection.transaction(),
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            # First what goes alongside: the log's lock is held from the COPY to the commit.
            alongside(cursor)
            if not stored_events:
                return []
            with cursor.copy(self._copy_sql) as copy:
                for start in range(0, len(body), COPY_WRITE_BYTES):
                    copy.write(body[start : start + COPY_WRITE_BYTES])
            row = cursor.execute(self._last_sql, prepare=True).fetchone()
        assert row is not None
        last: int = row[0]
        return [*range(last - len(stored_events) + 1, last + 1)]

    @retry((InterfaceError, OperationalError), max_attempts=ATTEMPTS_MAX, wait=ATTEMPT_WAIT_S)
    def select_rows(
        self, after: int, limit: int, until: int = POSITION_MAX, topics: Sequence[str] = ()
    ) -> list[Row]:
        """A page of the log in position order, as plain rows: what followers read."""
        with (
            self.datastore.get_connection() as connection,
            connection.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            if topics:
                params = (after, until, list(topics), limit)
                cursor.execute(self._page_topics_sql, params, prepare=True)
            else:
                cursor.execute(self._page_sql, (after, until, limit), prepare=True)
            return cursor.fetchall()

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        until = POSITION_MAX if stop is None else stop
        return [
            Notification(row[0], row[1], row[2], row[3], row[4])
            for row in self.select_rows(after, limit, until, topics)
        ]

    def close(self) -> None:
        """Stop the committer once everything that waits is committed."""
        with self._starting:
            if self._committer is not None:
                self._waiting.put(None)
                self._committer.join()
                self._committer = None
