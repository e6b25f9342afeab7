"""A running cloud that a benchmark asks: filled past its API, waited for, timed from outside."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import psycopg

from domain.log.fleet import BULK_EVENTS_MAX, Fleet
from tests.bench.history import Placed, stored
from tests.cloud import Cloud

FOLLOWED_TIMEOUT_S = 600.0
POLL_S = 0.02
ASKED_ONCE_MORE = 5  # before the clock runs: connections made, statements prepared

MODELS = """
    SELECT least((SELECT coalesce(max(notification_id), 0) FROM fleet.tracking),
                 (SELECT coalesce(max(notification_id), 0) FROM history.tracking))
"""


def put(ours: Cloud, placed: Iterator[Placed]) -> int:
    """Append events, wait until every read model has them; returns the position of the last."""
    conninfo = ours.status["database"]
    fleet = Fleet(conninfo)
    events, last = stored(placed), 0
    while chunk := list(islice(events, BULK_EVENTS_MAX)):
        last = (fleet.recorder.insert_events(chunk) or (last,))[-1]
    fleet.close()
    wait_until_readable(conninfo, last)
    return last


def wait_until_readable(conninfo: str, position: int) -> None:
    """Until the models fleet and history are there."""
    end = time.monotonic() + FOLLOWED_TIMEOUT_S
    with psycopg.connect(conninfo, autocommit=True) as connection:
        while number(connection, MODELS) < position:
            assert time.monotonic() < end, "the read models do not get there"
            time.sleep(POLL_S)


def number(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def get(ours: Cloud, path: str, **params: Any) -> Any:
    answer = ours.http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def in_turns_ms(
    ours: Callable[[], object], reference: Callable[[], object], times: int
) -> tuple[list[float], list[float]]:
    """How long two ways take, each so many times, in turn: what slows the machine slows both."""
    for _ in range(ASKED_ONCE_MORE):
        ours()
        reference()
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        for work, took in zip((ours, reference), found, strict=True):
            began = time.perf_counter()
            work()
            took.append((time.perf_counter() - began) * 1e3)
    return found
