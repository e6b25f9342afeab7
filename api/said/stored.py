"""Stored device events, in the order of their places: what of them somebody hears and looks for."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from api.database import Rows
from api.said.earshot import Earshot
from api.views import stamp
from domain.log_filter import (
    EVERYTHING,
    NUMBER,
    NUMBER_CHARACTERS_MAX,
    Entry,
    LogFilter,
)
from projections.device_events.telemetry import COLUMNS, DeviceEventRow

LOOKED_AT_MAX = 20_000  # rows at once: whoever looks for what is rare looks again, from there on
PLACE_DIGITS_MAX = 18
PLACE_MAX = 10**PLACE_DIGITS_MAX - 1

# What is near comes first, as much of it as may be looked at; then what it is called, then whether
# it is what is looked for. There is always one row more than are found, which says how far it went.
FOUND = """
    WITH looked AS MATERIALIZED (
        SELECT * FROM ({heard}) AS heard ORDER BY id {order} LIMIT %(looked_at)s
    ), found AS (
        SELECT said.*, device.name AS device_name FROM looked AS said
        LEFT JOIN fleet.device ON device.device_id = said.device_id AND device.name <> ''
            AND ({named})
        WHERE {wanted} ORDER BY said.id {order} LIMIT %(limit)s
    )
    SELECT {columns}, device_name, looked_at, looked_to
    FROM (SELECT count(*) AS looked_at, {furthest}(id) AS looked_to FROM looked) AS looked
    LEFT JOIN found ON true ORDER BY id {order}
"""
# Each in its order, then merged as far as needed: without a limit of its own each would be read to
# its end, and all of it sorted.
HEARD = f"""
    (SELECT {COLUMNS} FROM telemetry.device_event
     WHERE {{condition}} AND id > %(after)s AND id < %(before)s
     ORDER BY id {{order}} LIMIT %(looked_at)s)
"""
# A device that left may be called anything since, by others.
NAMED_TO_HOLDER = "device.owner = %(holder)s"
NAMED_TO_TEAM = """device.cohort_id IN (
    SELECT cohort_id FROM fleet.cohort WHERE product_id = ANY (%(products)s)
    AND standing = 'member')"""
LAST = "SELECT coalesce(max(id), 0) FROM telemetry.device_event"
NOTHING_HEARD = f"SELECT {COLUMNS} FROM telemetry.device_event WHERE false"


class Stored(Struct, frozen=True):
    """A device event; `device_name` is what its device is called now, None if that is nothing."""

    row: DeviceEventRow
    device_name: str | None = None


class Found(Struct, frozen=True):
    """What was found, in the order that was asked for. `looked_to` is the last place of those that
    were looked at; None: there are no more of them."""

    said: Sequence[Stored]
    looked_to: int | None


class Wanted(Struct, frozen=True):
    """What to look for, between two places, neither of them included."""

    earshot: Earshot
    filter: LogFilter = EVERYTHING
    after: int = 0
    before: int = PLACE_MAX
    newest_first: bool = False


async def find(rows: Rows, wanted: Wanted, limit: int) -> Found:
    """At most so many. What is looked at is bounded, whatever is found: see `looked_to`."""
    conditions = wanted.earshot.conditions
    order = "DESC" if wanted.newest_first else "ASC"
    heard = " UNION ALL ".join(HEARD.format(condition=one, order=order) for one in conditions)
    holder = wanted.earshot.product_ids is None
    query = FOUND.format(
        heard=heard or NOTHING_HEARD,
        order=order,
        furthest="min" if wanted.newest_first else "max",
        named=NAMED_TO_HOLDER if holder else NAMED_TO_TEAM,
        wanted=f"{condition_of(wanted.filter)} AND said.name ^@ %(prefix)s",
        columns=COLUMNS,
    )
    between = {"after": wanted.after, "before": wanted.before}
    everything = wanted.filter == EVERYTHING and not wanted.earshot.prefix
    most = limit if everything else LOOKED_AT_MAX  # no further than needed
    sizes = {"limit": limit, "looked_at": most}
    parameters = {**wanted.earshot.parameters, **parameters_of(wanted.filter), **between, **sizes}
    cursor = await rows.connection.execute(query.encode(), parameters)
    found = await cursor.fetchall()
    *_, looked_at, looked_to = found[0]
    said = [Stored(DeviceEventRow(*row[:-3]), row[-3]) for row in found if row[0] is not None]
    if len(said) == limit:
        return Found(said, said[-1].row.id)
    return Found(said, looked_to if looked_at == most else None)


def condition_of(wanted: LogFilter) -> str:
    """The same as `matches` of domain/log_filter.py, in SQL. Under "C" only a to z have capitals,
    and a part is found byte by byte."""
    speakers = [lowered(column) for column in ("said.device_id", "device.name", "said.publisher")]
    texts = [lowered("said.name"), lowered("said.data"), *speakers, SHOWN_AT]
    conditions = [
        any_of(f"strpos({text}, %(word_{place})s) > 0" for text in texts)
        for place in range(len(wanted.words))
    ]
    if wanted.devices:
        conditions.append(any_of(f"{speaker} = ANY (%(devices)s)" for speaker in speakers))
    for column, parts in (("name", wanted.events), ("data", wanted.data)):
        places = range(len(parts))
        text = lowered(f"said.{column}")
        if parts:
            conditions.append(any_of(f"strpos({text}, %({column}_{at})s) > 0" for at in places))
    if wanted.ranges:
        conditions.append(any_of(in_range(place) for place in range(len(wanted.ranges))))
    return " AND ".join(conditions) or "true"


def parameters_of(wanted: LogFilter) -> dict[str, Any]:
    found: dict[str, Any] = {"devices": list(wanted.devices), "number": NUMBER}
    for kind, parts in (("word", wanted.words), ("name", wanted.events), ("data", wanted.data)):
        found |= {f"{kind}_{place}": part for place, part in enumerate(parts)}
    for place, one in enumerate(wanted.ranges):
        found |= {f"least_{place}": one.least, f"most_{place}": one.most}
    return found


SHOWN_AT = """to_char(said.published_at AT TIME ZONE 'UTC', 'yyyy-mm-dd"t"hh24:mi:ss.ms"z"')"""


def lowered(column: str) -> str:
    return f"""lower(coalesce({column}, '') COLLATE "C")"""


def any_of(conditions: Any) -> str:
    return f"({' OR '.join(conditions)})"


def in_range(place: int) -> str:
    """No text is taken for a number that is none: that would be an error."""
    return f"""CASE WHEN length(said.data) <= {NUMBER_CHARACTERS_MAX} AND said.data ~ %(number)s
        THEN said.data::numeric BETWEEN coalesce(%(least_{place})s::numeric, '-infinity')
            AND coalesce(%(most_{place})s::numeric, 'infinity')
        ELSE false END"""


def entry_of(stored: Stored) -> Entry:
    """As the filter looks at it."""
    row = stored.row
    speakers = (row.device_id, stored.device_name, row.publisher)
    return Entry(row.name, row.data, speakers, stamp(row.published_at))
