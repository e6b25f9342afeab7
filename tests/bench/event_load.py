"""`python -m tests.bench.event_load`: devices on MQTT that publish, some messages under way each.

Each says the next one as soon as one is acknowledged. Prints one JSON object when all of them are.
"""

import argparse
import asyncio
import json
import sys
import time

import uvloop

from tests.bench.many import device_id
from tests.bench.mqtt_load import (
    CONNECT_TIMEOUT_S,
    CONNECTING_MAX,
    PUBLISH,
    Device,
    Tally,
    packet,
    text,
)

DATA = json.dumps({"rssi": -61, "up": 3600, "bat": 3.71, "fw": "1.3.0"})
EVENT = {"name": "state", "data": DATA, "id": "4711"}
TIMEOUT_S = 120.0


class Left:
    """What all devices together have still to say, and to hear of."""

    def __init__(self, messages: int) -> None:
        self.unsaid = self.unheard = messages
        self.refused = 0
        self.done = asyncio.get_running_loop().create_future()


class Speaker(Device):
    """A device that publishes. `events` is how many of them a message holds."""

    def __init__(self, device: str, tally: Tally, left: Left, events: int) -> None:
        super().__init__(device, tally, about="ack")
        said = EVENT if events == 1 else [EVENT] * events
        topic = text(f"d/{device}/up/events")
        self._message = packet(PUBLISH, topic + json.dumps(said).encode())
        self._all_stored = b'"stored":%d,' % events
        self._left = left

    def say(self, messages: int) -> None:
        messages = min(messages, self._left.unsaid)
        self._left.unsaid -= messages
        self.transport.write(self._message * messages)

    def _take(self, kind: int, body: bytes) -> None:
        if kind != PUBLISH:
            super()._take(kind, body)
            return
        left = self._left
        left.unheard -= 1
        left.refused += self._all_stored not in body
        if left.unsaid:
            self.say(1)
        elif not left.unheard and not left.done.done():
            left.done.set_result(None)


async def load(
    port: int, connections: int, window: int, messages: int, events: int
) -> dict[str, float]:
    loop, tally, left = asyncio.get_running_loop(), Tally(), Left(messages)
    room = asyncio.Semaphore(CONNECTING_MAX)

    async def connected(number: int) -> Speaker:
        async with room, asyncio.timeout(CONNECT_TIMEOUT_S):
            speaker = Speaker(device_id(number), tally, left, events)
            await loop.create_connection(lambda: speaker, "127.0.0.1", port)
            await speaker.subscribed
            return speaker

    speakers = await asyncio.gather(*(connected(number) for number in range(connections)))
    began = time.perf_counter()
    for speaker in speakers:
        speaker.say(window)
    async with asyncio.timeout(TIMEOUT_S):
        await left.done
    took_s = time.perf_counter() - began
    tally.stopping = True
    for speaker in speakers:
        speaker.transport.close()
    return {"took_s": took_s, "refused": left.refused, "lost": tally.lost}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.event_load")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--window", type=int, required=True, help="messages under way, of each")
    parser.add_argument("--messages", type=int, required=True, help="of all of them")
    parser.add_argument("--events", type=int, required=True, help="in a message")
    wanted = parser.parse_args()
    found = uvloop.run(
        load(wanted.port, wanted.connections, wanted.window, wanted.messages, wanted.events)
    )
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
