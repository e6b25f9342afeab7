"""Requests a second and core: the API beside handlers that run the same SQL and nothing else.

A product of a million devices. What counts is the processor time of the serving process alone:
callers, PostgreSQL and followers have theirs. Both serve in turns, under the same load.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from random import Random
from typing import NamedTuple
from urllib.parse import urlencode

import psycopg

from tests.bench.bare_api import PASSWORD
from tests.bench.children import child, cpu_s
from tests.bench.history import PRODUCT, Placed, of_device, of_product
from tests.bench.http_load import Make, form, load, request
from tests.bench.many import device_id
from tests.bench.measure import server_line
from tests.bench.results import Result, Target, main
from tests.bench.whole import put
from tests.cloud import Cloud, cloud

PROMISE = "requests a second and core, beside the same SQL in bare handlers"
DEVICES, DEVICES_QUICK = 1_000_000, 1_000
ROUNDS, ROUNDS_QUICK = 5, 1
ROUND_S, ROUND_S_QUICK = 3.0, 0.3
CALLERS = 16
OVER_BARE = 0.6
PATH = f"/v1/products/{PRODUCT}/devices"


class Server(NamedTuple):
    """A process that serves: where, and which."""

    port: int
    pid: int

    def rate(self, make: Make, seconds: float) -> float:
        """Requests answered by a second of its processor time."""
        before = cpu_s(self.pid)
        answered = load(self.port, make, CALLERS, seconds)
        return answered.requests / (cpu_s(self.pid) - before)


def measure(quick: bool) -> Sequence[Result]:
    devices = DEVICES_QUICK if quick else DEVICES
    with cloud(environment={"ROLLCALL_LIMITS": "off"}) as ours:
        put(ours, fleet(devices))
        conninfo = ours.status["database"]
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        port = free_port()
        with child("tests.bench.bare_api", {"DATABASE_URL": conninfo}, str(port)) as process:
            api = Server(int(ours.status["http"].rpartition(":")[2]), ours.status["pids"]["api"])
            found = in_turns(api, Server(port, process.pid), kinds(ours, devices), quick)
        stands_on = server_line(conninfo)
    return [
        stands_on,
        *(
            Result(
                what,
                "a core and s",
                *rates,
                Target("≥", OVER_BARE),
                "bare handler, same SQL",
            )
            for what, rates in found.items()
        ),
    ]


def fleet(devices: int) -> Iterator[Placed]:
    yield from of_product()
    for number in range(devices):
        yield from of_device(number)[0]


def kinds(ours: Cloud, devices: int) -> Mapping[str, Make]:
    """The requests that are measured, each made when it is sent."""
    token = ours.status["admin_token"]
    chance, fresh = Random(94), count(devices)

    def one() -> bytes:
        return request("GET", f"{PATH}/{device_id(chance.randrange(devices))}", token)

    def page() -> bytes:
        return request("GET", f"{PATH}?per_page=100", token)

    def command() -> bytes:
        body = f'{{"id": "{device_id(next(fresh))}"}}'.encode()
        return request("POST", PATH, token, body)

    user = "bench@rollcall.local"
    signed_up = ours.http.post("/v1/users", json={"username": user, "password": PASSWORD})
    assert signed_up.is_success, signed_up.text
    said = {"grant_type": "password", "username": user, "password": PASSWORD}
    client = {"client_id": "particle-cli", "client_secret": "particle-cli"}
    log_in = form("/oauth/token", urlencode({**said, **client}).encode())
    return {
        f"GET of one device of {devices:,}": one,
        f"GET of a page of 100 of {devices:,}": page,
        "POST of a command: one device imported": command,
        "log-in": lambda: log_in,
    }


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number


def in_turns(
    api: Server, bare: Server, wanted: Mapping[str, Make], quick: bool
) -> dict[str, tuple[list[float], list[float]]]:
    rounds, seconds = (ROUNDS_QUICK, ROUND_S_QUICK) if quick else (ROUNDS, ROUND_S)
    found: dict[str, tuple[list[float], list[float]]] = {}
    for what, make in wanted.items():
        found[what] = ([], [])
        for _ in range(rounds):
            for server, rates in zip((api, bare), found[what], strict=True):
                rates.append(server.rate(make, seconds))
    return found


if __name__ == "__main__":
    main("api", PROMISE, measure)
