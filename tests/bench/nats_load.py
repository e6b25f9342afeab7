"""`python -m tests.bench.nats_load`: a fleet's hellos at a steady rate, from one connection.

Each is another device's, round and round through the fleet; answers are counted, not waited for.
Prints one JSON object.
"""

import argparse
import asyncio
import json
import sys
import time
from typing import cast
from urllib.parse import urlsplit

import uvloop

from domain.subjects import down, up
from tests.bench.many import PLATFORM, PRODUCT, device_id

TURNS_PER_S = 100
PORT = 4222  # where the address names none
ANSWERS_TIMEOUT_S = 10.0
POLL_S = 0.02
HELLO = json.dumps({"product_id": PRODUCT, "version": 2, "platform_id": PLATFORM}).encode()


class Fleet(asyncio.Protocol):
    """Speaks the little of NATS' protocol that it takes to publish and to count."""

    def __init__(self, user: str, password: str) -> None:
        self._said = {"user": user, "pass": password, "verbose": False, "lang": "load"}
        self._buffer = b""
        self.answers = 0
        self.errors: list[bytes] = []
        self.begun = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        listen = f"SUB {down('*', 'hello')} 1\r\nPING\r\n"
        self.transport.write(f"CONNECT {json.dumps(self._said)}\r\n{listen}".encode())

    def say_hello(self, devices: range, known: list[bytes]) -> None:
        self.transport.write(b"".join(known[number % len(known)] for number in devices))

    def data_received(self, data: bytes) -> None:
        buffer, place = self._buffer + data, 0
        while (end := buffer.find(b"\r\n", place)) >= 0:
            line = buffer[place:end]
            if line.startswith(b"MSG "):
                size = int(line.rsplit(b" ", 1)[1])
                if len(buffer) < end + 2 + size + 2:
                    break
                self.answers += 1
                end += size + 2
            elif line == b"PING":
                self.transport.write(b"PONG\r\n")
            elif line == b"PONG" and not self.begun.done():
                self.begun.set_result(None)
            elif line.startswith(b"-ERR"):
                self.errors.append(line)
            place = end + 2
        self._buffer = buffer[place:]


async def load(url: str, devices: int, rate: int, seconds: float) -> dict[str, object]:
    to = urlsplit(url)
    fleet = Fleet(to.username or "", to.password or "")
    await asyncio.get_running_loop().create_connection(
        lambda: fleet, str(to.hostname), to.port or PORT
    )
    await fleet.begun
    subjects = (up(device_id(number), "hello").encode() for number in range(devices))
    known = [b"PUB %b %d\r\n%b\r\n" % (one, len(HELLO), HELLO) for one in subjects]
    began, said = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        due = int(passed * rate)
        fleet.say_hello(range(said, due), known)
        said = due
        await asyncio.sleep(1 / TURNS_PER_S)
    took_s = time.perf_counter() - began
    while fleet.answers < said and time.perf_counter() - began - took_s < ANSWERS_TIMEOUT_S:
        await asyncio.sleep(POLL_S)
    fleet.transport.close()
    errors = [error.decode() for error in fleet.errors]
    return {"said": said, "answers": fleet.answers, "took_s": took_s, "errors": errors}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.nats_load")
    parser.add_argument("url")
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True, help="hellos a second")
    parser.add_argument("--seconds", type=float, required=True)
    wanted = parser.parse_args()
    found = uvloop.run(load(wanted.url, wanted.devices, wanted.rate, wanted.seconds))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
