"""One device as of an earlier position, asked through HTTP: a device with 1,000 events.

The device is folded from its events, as many of them as there were then. The reference is a bare
SELECT of those very rows of the log, on one connection of PostgreSQL.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, cycle, islice

import psycopg

from domain.session import SessionEnded
from tests.bench.history import AT, PRODUCT, Placed, handshook, of_device, of_product
from tests.bench.many import device_id
from tests.bench.measure import server_line
from tests.bench.results import Result, main
from tests.bench.whole import get, in_turns_ms, put
from tests.cloud import Cloud, cloud

PROMISE = "one device with 1,000 events, as of any position"
EVENTS, EVENTS_QUICK = 1_000, 50
OTHERS, OTHERS_QUICK = 20_000, 100  # devices around it
TIMES, TIMES_QUICK = 200, 3
PATH = f"/v1/products/{PRODUCT}/devices/{device_id(0)}"
ROWS = """
    SELECT originator_id, originator_version, topic, state, notification_id, recorded_at
    FROM log.fleet_events WHERE originator_id = ANY (%s) AND notification_id <= %s
    ORDER BY notification_id
"""
STREAMS = [f"device-{device_id(0)}", f"session-{device_id(0)}"]


def measure(quick: bool) -> Sequence[Result]:
    events, others = (EVENTS_QUICK, OTHERS_QUICK) if quick else (EVENTS, OTHERS)
    times = TIMES_QUICK if quick else TIMES
    with cloud() as ours:
        put(ours, chain(of_product(), busy_device(events), imported(others)))
        conninfo = ours.status["database"]
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE log.fleet_events")
            cursor = connection.cursor(binary=True)

            def bare(position: int) -> list[tuple[object, ...]]:
                return cursor.execute(ROWS.encode(), [STREAMS, position], prepare=True).fetchall()

            positions = [row[4] for row in bare(2**62)]
            # Reactions may have added to them.
            assert len(positions) >= events
            lines = []
            for so_many in (events // 2, events):
                then = positions[so_many - 1]
                found = in_turns_ms(
                    lambda then=then: as_of(ours, then),  # type: ignore[misc]
                    lambda then=then: bare(then),  # type: ignore[misc]
                    times,
                )
                what = f"as of its event {so_many:,}"
                lines.append(Result(what, "ms", *found, None, "bare SELECT of its rows"))
            lines.append(
                Result(
                    "the device now, from its read model",
                    "ms",
                    in_turns_ms(lambda: get(ours, PATH), lambda: None, times)[0],
                )
            )
        stands_on = server_line(conninfo)
    return [stands_on, *lines]


def busy_device(events: int) -> Iterator[Placed]:
    """It is imported, and from then on comes and goes."""
    device = device_id(0)
    session = f"session-{device}"
    ended = SessionEnded(device_id=device, product_id=PRODUCT, reason="asleep", at=AT)
    coming_and_going = cycle(((session, handshook(device, 2)), (session, ended)))
    return islice(chain(of_device(0)[0], coming_and_going), events)


def imported(others: int) -> Iterator[Placed]:
    for number in range(1, others + 1):
        yield from of_device(number)[0]


def as_of(ours: Cloud, position: int) -> object:
    return get(ours, PATH, as_of=position)["id"]


if __name__ == "__main__":
    main("as_of", PROMISE, measure)
