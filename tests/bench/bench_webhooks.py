"""Webhooks to a receiver on the same machine, beside a bare loop of the same HTTP client.

Ours: device events that are stored already are matched with the integration, leased, rendered,
signed, sent, counted and written down, with what there is to say about them, until all of that is
committed: a dispatcher and two workers, as the cloud has them, each a process. The reference only
sends, one after the other, or in as many loops at once as a worker has for an integration. In
turns, to one receiver; at the end once more with a million deliveries waiting for a server that is
away, and a million that are done.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg

from projections.deliveries.dispatch import Dispatch
from projections.deliveries.worker import PACE
from rollcall.children import DELIVERY_WORKERS
from rollcall.state import CHECKOUT
from tests.bench.children import child, cpu_s, environment, own_child
from tests.bench.measure import migrated_database, server_line
from tests.bench.results import Result, Target, main
from tests.projections.deliveries.world import PRODUCT, World, deliveries_world
from tests.projections.following import connected
from tests.servers import NatsServer

PROMISE = "to a local receiver at least 0.5 of the same HTTP client in a bare loop"

DEVICES = 1_000
EVENTS, EVENTS_QUICK = 20_000, 500
BACKLOG, BACKLOG_QUICK = 1_000_000, 2_000
ROUNDS, ROUNDS_QUICK = 5, 1
TIMEOUT_S = 300.0
POLL_S = 0.02
NO_NATS = NatsServer("nats://127.0.0.1:9", "", "", "", 0, 0, "")

SAY = """
    INSERT INTO telemetry.device_event (device_id, product_id, name, data, ttl, published_at)
    SELECT lpad(to_hex(number %% %s), 24, '0'), %s, 'temp', '21.5', 60, now()
    FROM generate_series(1, %s) AS number
"""
MADE = """
    INSERT INTO outbound.delivery
        (place, published_at, integration_id, device_id, meter, state, since, settled_at)
    SELECT -number, now(), %s, lpad(to_hex(number %% 100000), 24, '0'), 'product-1', %s, now(),
           CASE WHEN %s = 'waiting' THEN NULL ELSE now() END
    FROM generate_series(1, %s) AS number
"""
LANES = """
    INSERT INTO outbound.lane (integration_id, device_id, due_at)
    SELECT DISTINCT integration_id, device_id, now() + interval '1 day' FROM outbound.delivery
    WHERE state = 'waiting'
"""
DELIVERED = "SELECT count(*) FROM outbound.delivery WHERE state = 'delivered' AND place > %s"


class Ours(NamedTuple):
    world: World
    url: str
    workers: Sequence[int]  # their processes


def measure(quick: bool) -> Sequence[Result]:
    events = EVENTS_QUICK if quick else EVENTS
    rounds = ROUNDS_QUICK if quick else ROUNDS
    backlog = BACKLOG_QUICK if quick else BACKLOG
    ours, bare, many, worker_us, postgres_us = [], [], [], [], []
    with world() as there:
        postgres = own_child("postgres")
        for _ in range(rounds):
            bare.append(events / bare_s(there.url, events, 1))
            many.append(events / bare_s(there.url, events, PACE.at_once_per_integration_max))
            worker, server = spent_s(there), cpu_s(postgres, children=True)
            ours.append(events / delivered_s(there.world, events))
            worker_us.append((spent_s(there) - worker) / events * 1e6)
            postgres_us.append((cpu_s(postgres, children=True) - server) / events * 1e6)
        pile_up(there.world, backlog)
        late = [events / delivered_s(there.world, events) for _ in range(rounds)]
        assert there.world.meter() == (2 * rounds * events, 0)
        stands_on = server_line(there.world.database)
    what = "webhooks delivered"
    return [
        stands_on,
        Result(what, "per s", ours, bare, None if quick else Target("≥", 0.5), "a bare loop"),
        Result(what, "per s", ours, many, None, "many bare loops at once"),
        Result(f"{what}, beside {backlog:,} that wait", "per s", late, ours, None, "none that do"),
        Result("processor time of the workers", "µs each", worker_us),
        Result("processor time of PostgreSQL", "µs each", postgres_us),
    ]


@contextmanager
def world() -> Iterator[Ours]:
    receiving = [sys.executable, "-m", "tests.bench.bare_webhooks", "receive"]
    with (
        tempfile.TemporaryDirectory() as folder,
        migrated_database() as conninfo,
        deliveries_world(conninfo) as ours,
        subprocess.Popen(receiving, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as receiver,
    ):
        try:
            assert receiver.stdout is not None
            url = f"http://127.0.0.1:{int(receiver.stdout.readline())}/"
            ours.plain_webhook(url)
            told = environment(conninfo, NO_NATS, Path(folder)) | {"ROLLCALL_DELIVER_PRIVATE": "1"}
            with ExitStack() as held:
                workers = [
                    held.enter_context(child("projections.deliveries", told))
                    for _ in range(DELIVERY_WORKERS)
                ]
                yield Ours(ours, url, [worker.pid for worker in workers])
        finally:
            receiver.kill()


def spent_s(ours: Ours) -> float:
    return sum(map(cpu_s, ours.workers))


def delivered_s(ours: World, events: int) -> float:
    """From when they are stored until all are delivered, and that is written down."""
    [(before,)] = ours.sql("SELECT coalesce(max(id), 0) FROM telemetry.device_event")
    ours.sql(SAY, DEVICES, PRODUCT, events)
    with connected(ours.database) as connection, closing(connection):
        dispatch = Dispatch()
        dispatch.begin(connection)
        began = time.perf_counter()
        while dispatch.step(connection):
            pass
    while ours.sql(DELIVERED, before) != [(events,)]:
        assert time.perf_counter() - began < TIMEOUT_S, ours.states()
        time.sleep(POLL_S)
    return time.perf_counter() - began


def bare_s(url: str, events: int, loops: int) -> float:
    command = [sys.executable, "-m", "tests.bench.bare_webhooks", "send"]
    sending = [*command, url, str(events), str(loops)]
    done = subprocess.run(
        sending, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S, check=True
    )
    return float(done.stdout)


def pile_up(ours: World, deliveries: int) -> None:
    """So many that wait for a server that is away, and so many that are done."""
    for state, integration in (("waiting", "f" * 24), ("delivered", "0" * 24)):
        ours.sql(MADE, integration, state, state, deliveries)
    ours.sql(LANES)
    with psycopg.connect(ours.database, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE outbound.delivery, outbound.lane")


if __name__ == "__main__":
    main("webhooks", PROMISE, measure)
