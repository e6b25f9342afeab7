"""How streams go on, and how they end: rights lost, readers too slow, servers that go."""

import asyncio
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg
import pytest

from api.limits import AT_A_TIME, EVENT_STREAMS, OPEN_STREAMS, Limit
from api.said.listener import STOPPING
from domain.roles import Role
from tests.api.said.conftest import Scene
from tests.api.said.ear import listening
from tests.api.said.saying import say
from tests.api.serving import TOKEN, Served, serving
from tests.people import id_for
from tests.projections.patience import eventually

OWN = "/v1/devices/events"
ENDED_WITHIN_S = 3.0  # until everybody knows of it, included
STREAMS = 500
BIG = "x" * 1_000
ASKED = f"GET {OWN} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
FEED = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND query LIKE '%telemetry.device_event WHERE id >%'
"""


@pytest.fixture
def alone(database: str) -> Iterator[Served]:
    """An API with a database of its own."""
    with serving(database) as served:
        yield served


def say_mine(served: Served, *numbers: int, data: str = "") -> int:
    """Something that the administrator of `alone` hears."""
    mine = {"device_id": "a" * 24, "user_id": id_for("admin"), "name": "said"}
    return say(served.database, *({**mine, "data": f"{number} {data}"} for number in numbers))


def test_a_token_that_is_revoked_ends_its_streams(scene: Scene) -> None:
    viewer, other = (scene.member(Role.VIEW_ONLY) for _ in range(2))
    path = scene.world.path + "/events"
    with (
        listening(scene.call(viewer), path) as ear,
        listening(scene.call(other), path) as stays,
    ):
        scene.those.revoke(viewer.token_id)
        began = time.monotonic()
        assert ear.rest() == []
        assert time.monotonic() - began < ENDED_WITHIN_S
        assert "The access token provided is invalid." in ear.comments[-1]
        scene.count(1)
        assert stays.next().said["data"] == "1"


def test_whoever_leaves_the_team_hears_no_more(scene: Scene) -> None:
    viewer = scene.member(Role.VIEW_ONLY)
    with listening(scene.call(viewer), scene.world.path + "/events") as ear:
        answer = scene.http.delete(f"{scene.world.path}/team/{viewer.email}")
        assert answer.status_code in (200, 204)
        began = time.monotonic()
        ear.rest()
        assert time.monotonic() - began < ENDED_WITHIN_S
        assert "Permission denied" in ear.comments[-1]


def test_whoever_gives_a_device_away_hears_no_more_of_it(scene: Scene) -> None:
    claimer = scene.user("claimer")
    device = scene.claim(claimer)
    with listening(scene.call(claimer), f"/v1/devices/{device}/events") as ear:
        assert scene.call(claimer).delete(f"/v1/devices/{device}").status_code == 200
        began = time.monotonic()
        ear.rest()
        assert time.monotonic() - began < ENDED_WITHIN_S


def test_a_token_that_expires_ends_its_streams(scene: Scene) -> None:
    soon = time.time() + 1.0
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(soon)) + f".{int(soon % 1 * 1000):03}Z"
    brief = scene.holder(scene.owner.user_id, expires_at=at)
    with listening(scene.call(brief), OWN) as ear:
        ear.rest()
        assert time.time() - soon < ENDED_WITHIN_S
        assert "The access token provided has expired." in ear.comments[-1]


def test_who_does_not_read_slows_nobody_and_is_cut_off(alone: Served) -> None:
    """What it had already read, or was on the way, stays; after that it resumes without a gap."""
    total = 8_000
    url = urlsplit(alone.url)
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    slow.connect((url.hostname, url.port))
    slow.sendall(ASKED)
    assert b"200 OK" in slow.recv(2_048)
    with alone.client() as client:
        with listening(client, OWN) as quick:
            for first in range(0, total, 1_000):
                say_mine(alone, *range(first, first + 1_000), data=BIG)
                heard = quick.take(1_000)
                assert heard[-1].said["data"].split()[0] == str(first + 999)
        read = b""
        with closing(slow), psycopg.connect(alone.database, autocommit=True) as connection:
            eventually(lambda: connection.execute(FEED).fetchall() == [])  # nobody is there
            slow.settimeout(20)
            while part := slow.recv(1 << 20):
                read += part
        whole = read[: read.rindex(b"\n\n")]  # the last one may be cut in two
        numbers = [int(number) for number in re.findall(rb'"data":"(\d+) ', whole)]
        assert numbers == list(range(len(numbers)))
        assert 0 < len(numbers) < total
        place = int(re.findall(rb"\nid: (\d+)\n", whole)[-1])
        with listening(client, OWN, params={"after": place}) as again:
            assert again.next().said["data"].split()[0] == str(len(numbers))


def test_streams_end_when_the_server_is_told_to_stop(alone: Served) -> None:
    with alone.client() as client:
        with listening(client, OWN) as ear:
            place = say_mine(alone, 1)
            ear.next()
            alone.stopping.set()
            began = time.monotonic()
            assert ear.rest() == []
            assert time.monotonic() - began < 1.0
            assert ear.comments[-1] == f"{STOPPING} Resume after {place}."
        assert client.get(OWN).status_code == 503


def test_a_feed_that_loses_its_connection_goes_on_where_it_was(alone: Served) -> None:
    with alone.client() as client, listening(client, OWN) as ear:
        say_mine(alone, 1)
        assert ear.next().said["data"] == "1 "
        with psycopg.connect(alone.database, autocommit=True) as connection:
            for number in range(2, 6):
                for (pid,) in connection.execute(FEED).fetchall():
                    connection.execute("SELECT pg_terminate_backend(%s)", [pid])
                say_mine(alone, number)
                assert ear.next().said["data"] == f"{number} "


def test_nobody_reads_what_nobody_listens_to(alone: Served) -> None:
    with alone.client() as client, psycopg.connect(alone.database, autocommit=True) as connection:
        with listening(client, OWN):
            assert connection.execute(FEED).fetchall() != []
        eventually(lambda: connection.execute(FEED).fetchall() == [])


def test_one_address_has_so_many_open_at_a_time(database: str) -> None:
    limits = (Limit(OPEN_STREAMS, 2, AT_A_TIME),)
    with serving(database, limits=limits) as served, served.client() as client:
        with listening(client, OWN), listening(client, OWN):
            answer = client.get(OWN)
            assert answer.status_code == 429
            assert answer.headers["Retry-After"]
            assert "2 event streams are open" in answer.json()["error_description"]

        def opens() -> bool:
            with client.stream("GET", OWN) as response:
                return response.status_code == 200

        eventually(opens)


def test_one_address_opens_so_many_in_a_while(database: str) -> None:
    limits = (Limit(EVENT_STREAMS, 2, 3_600),)
    with serving(database, limits=limits) as served, served.client() as client:
        statuses = [client.head(OWN).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_five_hundred_streams_hear_everything(alone: Served) -> None:
    numbers = range(20)

    async def hear(url: str) -> list[bytes]:
        host, port = str(urlsplit(url).hostname), urlsplit(url).port
        streams = []
        for _ in range(STREAMS):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(ASKED)
            streams.append((reader, writer))
        for reader, _ in streams:
            await reader.readuntil(b":ok\n\n")
        await asyncio.to_thread(say_mine, alone, *numbers)
        found = await asyncio.gather(*(reader.readuntil(b'"data":"19 "') for reader, _ in streams))
        for _, writer in streams:
            writer.close()
            await writer.wait_closed()
        return found

    for read in asyncio.run(asyncio.wait_for(hear(alone.url), 60)):
        assert read.count(b"\nevent: said") == len(numbers)


def test_closing_again_and_again_leaves_nothing_behind(alone: Served) -> None:
    with alone.client() as client:
        for _ in range(30):
            with listening(client, OWN):
                pass
        say_mine(alone, 1)
        with psycopg.connect(alone.database, autocommit=True) as connection:
            eventually(lambda: connection.execute(FEED).fetchall() == [])


def test_a_product_that_is_none_answers_as_to_strangers(scene: Scene) -> None:
    answer = scene.http.get(f"/v1/products/{secrets.token_hex(6)}/events")
    assert (answer.status_code, answer.json()["error_description"]) == (403, "Permission denied")
