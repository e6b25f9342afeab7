"""Reading the past: every event about one device or one product, up to any position."""

from collections.abc import Sequence

from psycopg.rows import tuple_row

from domain.log.fleet import Fleet
from domain.log.recorder import POSITION_MAX, Row
from domain.recorded import Recorded

HISTORY_EVENTS_MAX = 200_000  # of one device or product; beyond, ask for a page of it

COLUMNS = """
    SELECT originator_id, originator_version, topic, state, notification_id, recorded_at
    FROM log.fleet_events
"""
OF_STREAMS = (
    COLUMNS
    + """
    WHERE originator_id = ANY(%s) AND notification_id <= %s
    ORDER BY notification_id LIMIT %s
    """
)
# A prefix as a range of the primary key: '.' follows '-'. Each range is read by itself:
# together with the order wanted, the planner would rather read the whole log by position.
OF_PRODUCT = f"""
    WITH found AS MATERIALIZED (
        {COLUMNS} WHERE originator_id = 'product-' || %(product)s
        UNION ALL
        {COLUMNS} WHERE originator_id > 'group-' || %(product)s || '-'
                    AND originator_id < 'group-' || %(product)s || '.'
        UNION ALL
        {COLUMNS} WHERE originator_id > 'firmware-' || %(product)s || '-'
                    AND originator_id < 'firmware-' || %(product)s || '.'
    )
    SELECT * FROM found WHERE notification_id <= %(until)s
    ORDER BY notification_id LIMIT %(limit)s
"""
AT = COLUMNS + " WHERE notification_id = %s"


class HistoryTooLong(Exception):
    """There are more events than can be read at once. Ask for a page of the history instead."""


def device_history(fleet: Fleet, device_id: str, until: int = POSITION_MAX) -> list[Recorded]:
    """What was intended for the device and what it did, in order, up to a position."""
    streams = [f"device-{device_id}", f"session-{device_id}"]
    return read(fleet, OF_STREAMS, [streams, until, HISTORY_EVENTS_MAX + 1])


def product_history(fleet: Fleet, product_id: int, until: int = POSITION_MAX) -> list[Recorded]:
    """The product's own events, its groups' and its firmware's, in order, up to a position."""
    limit = HISTORY_EVENTS_MAX + 1
    params = {"product": str(product_id), "until": until, "limit": limit}
    return read(fleet, OF_PRODUCT, params)


def streams_history(
    fleet: Fleet, streams: Sequence[str], until: int = POSITION_MAX
) -> list[Recorded]:
    """Everything in some streams, in order, up to a position."""
    return read(fleet, OF_STREAMS, [list(streams), until, HISTORY_EVENTS_MAX + 1])


def recorded_at(fleet: Fleet, position: int) -> Recorded | None:
    """The event at a position, None if no event has it."""
    found = read(fleet, AT, [position])
    return found[0] if found else None


def read(fleet: Fleet, query: str, params: Sequence[object] | dict[str, object]) -> list[Recorded]:
    """Raises HistoryTooLong; UnknownEvent or UnreadableEvent for rows that cannot be read."""
    with (
        fleet.recorder.datastore.get_connection() as connection,
        connection.cursor(row_factory=tuple_row, binary=True) as cursor,
    ):
        rows: list[Row] = cursor.execute(query.encode(), params, prepare=True).fetchall()
    if len(rows) > HISTORY_EVENTS_MAX:
        raise HistoryTooLong
    return [fleet.mapper.read(*row) for row in rows]
