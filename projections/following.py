"""A model follows the log, page by page in position order: each page one transaction, once."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from psycopg import Connection, Cursor

from domain.log.mapper import RecordedMapper
from domain.log.recorder import Row
from projections.tracking import FOLLOWED, Tracking
from projections.trouble import CannotApply, Overtaken, Stopped, passes, reason_of

LOG_CHANNEL = "fleet_events"
PAGE_EVENTS_MAX = 5_000

# Positions become visible in their order: whatever stands before the page's end can be read.
PAGE_END = """
    SELECT max(notification_id) FROM (
        SELECT notification_id FROM log.fleet_events WHERE notification_id > %s
        ORDER BY notification_id LIMIT %s
    ) page
"""
ROWS = """
    SELECT originator_id, originator_version, topic, state, notification_id, recorded_at
    FROM log.fleet_events WHERE notification_id > %s AND notification_id <= %s
"""
IN_ORDER = " ORDER BY notification_id"
OF_TOPICS = " AND topic = ANY(%s)"


class Page(NamedTuple):
    """The events after one position, up to and with another."""

    after: int
    until: int


class Model(Protocol):
    """What is made of events. `schema` holds its position, under its name."""

    name: str
    schema: str
    page_events_max: int

    def begin(self) -> None:
        """Forget what is remembered from earlier pages: it may not have been committed."""

    def apply(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> None:
        """Take the page's events, in the transaction of the cursor, which reads binary.

        Raises CannotApply, naming the position, for an event that it cannot take.
        """


def page_after(cursor: Cursor[tuple[Any, ...]], after: int, events_max: int) -> Page | None:
    """The next page of the log, None if there is nothing after that position."""
    row = cursor.execute(PAGE_END, [after, events_max], prepare=True).fetchone()
    assert row is not None
    return None if row[0] is None else Page(after, row[0])


def read_rows(cursor: Cursor[tuple[Any, ...]], page: Page, topics: Sequence[str] = ()) -> list[Row]:
    """The page's events, of the topics given, in position order."""
    if topics:
        cursor.execute(ROWS + OF_TOPICS + IN_ORDER, [*page, list(topics)], prepare=True)
    else:
        cursor.execute(ROWS + IN_ORDER, page, prepare=True)
    rows: list[Any] = cursor.fetchall()
    return rows


class Placed(NamedTuple):
    """An event and where it stands in the log."""

    event: Any
    position: int


def read_events(
    cursor: Cursor[tuple[Any, ...]], page: Page, topics: Sequence[str], mapper: RecordedMapper
) -> Iterator[Placed]:
    """The page's events of the topics given, in position order. Raises CannotApply."""
    for _, _, topic, state, position, _ in read_rows(cursor, page, topics):
        try:
            event = mapper.event(topic, state)
        except Exception as error:
            raise CannotApply(position, f"{topic}: {error}") from error
        yield Placed(event, position)


class Follower:
    """The task of keeping a model where the log is, or where another model is."""

    def __init__(
        self, model: Model, *, behind: Tracking | None = None, rest_s: float = 0.0
    ) -> None:
        self.rest_s = rest_s
        self.name = model.name
        self.channel = FOLLOWED if behind else LOG_CHANNEL
        self._behind = behind
        self._model = model
        self._tracking = Tracking(model.schema, model.name)
        self._position = 0
        self._events_max = model.page_events_max

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        self._events_max = self._model.page_events_max
        with connection.cursor(binary=True) as cursor:
            self._look_again(cursor)

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Apply the next page. An event that cannot be applied is closed in on, then named."""
        with connection.cursor(binary=True) as cursor:
            page = self._next_page(cursor)
            if page is None:
                self._events_max = self._model.page_events_max
                return False
            try:
                with connection.transaction():
                    # First of all: while a rebuilt model is swapped in, this is where we wait.
                    self._tracking.move(cursor, page.until)
                    self._model.apply(cursor, page)
            except Overtaken:
                self._look_again(cursor)
            except Exception as error:
                if passes(error):
                    raise
                self._close_in(cursor, page, error)
            else:
                self._position = page.until
                self._events_max = min(2 * self._events_max, self._model.page_events_max)
        return True

    def _next_page(self, cursor: Cursor[tuple[Any, ...]]) -> Page | None:
        page = page_after(cursor, self._position, self._events_max)
        if page is None or self._behind is None:
            return page
        until = min(page.until, self._behind.position(cursor))
        return Page(page.after, until) if until > page.after else None

    def _look_again(self, cursor: Cursor[tuple[Any, ...]]) -> None:
        self._model.begin()
        self._position = self._tracking.position(cursor)

    def _close_in(self, cursor: Cursor[tuple[Any, ...]], page: Page, error: Exception) -> None:
        """The good events before the bad one are applied, in ever smaller pages. Raises Stopped."""
        self._look_again(cursor)
        if self._events_max == 1:
            position = error.position if isinstance(error, CannotApply) else page.until
            raise Stopped(position, reason_of(error)) from error
        self._events_max = max(1, self._events_max // 2)
