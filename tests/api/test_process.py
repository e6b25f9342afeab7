"""`python -m api` as a process: says when it serves, drains when told to stop."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from domain.log.master_keys import spelled
from tests.api.serving import TOKEN, add_token, following
from tests.people import MASTER_KEY

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 30.0
POLL_S = 0.02


def wait_for(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not holds():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(POLL_S)


@contextmanager
def api_process(database: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running API and its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ready = folder / f"ready-{secrets.token_hex(4)}"
    environment = {
        **os.environ,
        "DATABASE_URL": database,
        "ROLLCALL_MASTER_KEY": spelled(MASTER_KEY),
        "ROLLCALL_HTTP_PORT": str(port),
        "ROLLCALL_READY_FILE": str(ready),
    }
    process = subprocess.Popen([sys.executable, "-m", "api"], env=environment, cwd=ROOT)
    try:
        wait_for(ready.exists, process)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_it_serves_when_it_says_so_and_ends_cleanly_when_told_to(
    database: str, tmp_path: Path
) -> None:
    with api_process(database, tmp_path) as (process, url):
        assert httpx.get(f"{url}/health").json() == {"ok": True}
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0


@pytest.mark.parametrize("database_url", ["", "host=127.0.0.1 port=1 dbname=none"])
def test_it_ends_with_an_error_where_it_cannot_serve(database_url: str) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "ROLLCALL_MASTER_KEY": spelled(MASTER_KEY),
        "ROLLCALL_HTTP_PORT": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "api"],
        env=environment,
        cwd=ROOT,
        timeout=TIMEOUT_S,
        capture_output=True,
    )
    assert done.returncode != 0
    assert done.stderr


@pytest.mark.parametrize("key", ["", "not a key", spelled(MASTER_KEY[:-1])])
def test_it_does_not_begin_without_the_key_to_what_is_sealed(database: str, key: str) -> None:
    environment = {**os.environ, "DATABASE_URL": database, "ROLLCALL_MASTER_KEY": key}
    done = subprocess.run(
        [sys.executable, "-m", "api"],
        env=environment,
        cwd=ROOT,
        timeout=TIMEOUT_S,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert done.stderr == "ROLLCALL_MASTER_KEY: The master key must be 32 bytes in base64.\n"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_an_import_cut_off_in_the_middle_is_finished_by_sending_it_again(
    database: str, tmp_path: Path, how: signal.Signals
) -> None:
    add_token(database, TOKEN, "admin")
    ids = [f"{number:024x}" for number in range(40_000)]
    headers = {"Authorization": f"Bearer {TOKEN}"}
    call = {**headers, "Idempotency-Key": "one import", "Content-Type": "text/plain"}
    body = "\n".join(ids).encode()
    with following(database), api_process(database, tmp_path) as (process, url):
        wanted = {"name": "cut off", "platform_id": 6}
        created = httpx.post(f"{url}/v1/products", json=wanted, headers=headers, timeout=60)
        path = f"/v1/products/{created.json()['product']['id']}/devices"
        sending = subprocess.Popen(
            [sys.executable, "-c", SEND, url + path, json.dumps(call)], stdin=subprocess.PIPE
        )
        assert sending.stdin is not None
        sending.stdin.write(body)
        sending.stdin.close()
        wait_for(lambda: count(database) >= 5_000, process)
        process.send_signal(how)
        process.wait(TIMEOUT_S)
        sending.wait(TIMEOUT_S)
        assert count(database) >= 5_000
    with following(database), api_process(database, tmp_path) as (_, url):
        reply = httpx.post(url + path, content=body, headers=call, timeout=120).json()
        assert reply["updatedDeviceIds"] == ids
        assert count(database) == len(ids)
        again = httpx.post(url + path, content=body, headers=call, timeout=120)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json() == reply


SEND = """
import json, sys, httpx
url, headers = sys.argv[1], json.loads(sys.argv[2])
try:
    httpx.post(url, content=sys.stdin.buffer.read(), headers=headers, timeout=120)
except httpx.HTTPError:
    pass
"""


def count(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT count(*) FROM log.fleet_events WHERE topic = 'DeviceImported.1'"
        ).fetchone()
    assert row is not None
    found: int = row[0]
    return found
