"""`python -m tests.bench.mqtt_load`: devices on MQTT, each saying hello as soon as it was answered.

A client of some twenty lines of MQTT, because it shares the machine with what it measures. Prints
one JSON object.
"""

import argparse
import asyncio
import json
import struct
import sys
import time
from math import ceil
from typing import cast

import uvloop

from tests.bench.many import PLATFORM, PRODUCT, device_id
from tests.device_edge.world import token

CONNECT, SUBSCRIBE, PUBLISH = 0x10, 0x82, 0x30
CONNACK, SUBACK = 0x20, 0x90
USER_AND_PASSWORD_AND_CLEAN = b"\x04\xc2"
KEEP_ALIVE_S = 60
CONNECTING_MAX = 32
CONNECT_TIMEOUT_S = 20.0
WARM_UP_SHARE = 0.2  # of the time that is measured, before it
HELLO = json.dumps({"product_id": PRODUCT, "version": 2, "platform_id": PLATFORM}).encode()


def text(said: str) -> bytes:
    encoded = said.encode()
    return struct.pack(">H", len(encoded)) + encoded


def packet(kind: int, body: bytes) -> bytes:
    length, size = len(body), bytearray()
    while True:
        length, low = length >> 7, length & 127
        size.append(low | (128 if length else 0))
        if not length:
            return bytes([kind]) + bytes(size) + body


class Tally:
    """What all devices of the load have seen."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []
        self.told: dict[bytes, int] = {}
        self.lost = 0
        self.stopping = False


class Device(asyncio.Protocol):
    """One device, on a connection of its own."""

    def __init__(self, device: str, tally: Tally, *, about: str) -> None:
        """`about` is the last part of the topics, to speak and to listen on."""
        self._device = device
        self._about = about
        self._tally = tally
        self._buffer = b""
        self._said_at = 0.0
        self._hello = packet(PUBLISH, text(f"d/{device}/up/{about}") + HELLO)
        self.subscribed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        body = text("MQTT") + USER_AND_PASSWORD_AND_CLEAN + struct.pack(">H", KEEP_ALIVE_S)
        names = text(self._device) + text(self._device) + text(token(self._device))
        self.transport.write(packet(CONNECT, body + names))

    def connection_lost(self, error: Exception | None) -> None:
        if not self._tally.stopping:
            self._tally.lost += 1

    def say_hello(self) -> None:
        self._said_at = time.perf_counter()
        self.transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        buffer, place = self._buffer + data, 0
        while len(buffer) - place >= 2:
            length, start, shift = 0, place + 1, 0
            while start < len(buffer):
                byte = buffer[start]
                length |= (byte & 127) << shift
                start, shift = start + 1, shift + 7
                if byte < 128:
                    break
            if len(buffer) < start + length:
                break
            self._take(buffer[place] & 0xF0, buffer[start : start + length])
            place = start + length
        self._buffer = buffer[place:]

    def _take(self, kind: int, body: bytes) -> None:
        if kind == PUBLISH:
            self._tally.waits_s.append(time.perf_counter() - self._said_at)
            if not self._tally.stopping:
                self.say_hello()
        elif kind == CONNACK:
            assert body[1] == 0, f"refused with {body[1]}"
            topic = text(f"d/{self._device}/dn/{self._about}")
            self.transport.write(packet(SUBSCRIBE, b"\0\1" + topic + b"\0"))
        elif kind == SUBACK & 0xF0:
            self.subscribed.set_result(None)


async def load(port: int, connections: int, seconds: float, about: str) -> dict[str, float]:
    loop, tally = asyncio.get_running_loop(), Tally()
    room = asyncio.Semaphore(CONNECTING_MAX)

    async def connected(number: int) -> Device:
        async with room, asyncio.timeout(CONNECT_TIMEOUT_S):
            device = Device(device_id(number), tally, about=about)
            await loop.create_connection(lambda: device, "127.0.0.1", port)
            await device.subscribed
            return device

    devices = await asyncio.gather(*(connected(number) for number in range(connections)))
    for device in devices:
        device.say_hello()
    await asyncio.sleep(seconds * WARM_UP_SHARE)
    tally.waits_s.clear()
    print("measuring", flush=True)
    began, spent_s = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    took_s, spent_s = time.perf_counter() - began, time.process_time() - spent_s
    waits_s = sorted(tally.waits_s)
    tally.stopping = True
    for device in devices:
        device.transport.close()

    def share(part: float) -> float:
        return waits_s[ceil(len(waits_s) * part) - 1] * 1e3 if waits_s else float("nan")

    return {
        "per_s": len(waits_s) / took_s,
        "answers": len(waits_s),
        "p50_ms": share(0.5),
        "p99_ms": share(0.99),
        "lost": tally.lost,
        "own_cpu_s": spent_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.mqtt_load")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--about", default="hello", help="who answers: an edge, or the echo")
    arguments = parser.parse_args()
    wanted = load(arguments.port, arguments.connections, arguments.seconds, arguments.about)
    found = uvloop.run(wanted)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
