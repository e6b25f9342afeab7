"""The run itself: a cloud is filled, put under load, killed piece by piece, and left to recover."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import nats

from tests.cloud import Cloud, cloud
from tests.faults.client import ATTEMPT_TIMEOUT_S
from tests.faults.killing import VICTIMS
from tests.faults.making import make
from tests.faults.receiving import receiving
from tests.faults.settling import settle
from tests.faults.world import World

EDGES = 2
PAUSE_S_MAX = 2.0
WAITED_FOR = 0.5  # of the victims: the others may not be back when the next one goes
COMMANDS_BETWEEN_MAX = 30
# Devices here come back all the time, all from one address.
ENVIRONMENT = {"ROLLCALL_DEVICE_MESSAGES_PER_S": "1000", "ROLLCALL_LIMITS": "off"}
ENVIRONMENT |= {"ROLLCALL_DEVICE_EVENTS_PER_S": "1000"}
ENVIRONMENT |= {"ROLLCALL_DELIVER_PRIVATE": "127.0.0.0/8"}  # where the receiver is


async def batter(world: World, rounds: int) -> None:
    """Kill one thing after the other at random moments under load; then let everything calm down.

    All kinds of victims have their turn before one has a second.
    """
    await world.work()
    turns: list[str] = []
    for number in range(rounds):
        if not turns:
            turns = world.random.sample(VICTIMS, k=len(VICTIMS))
        victim = turns.pop()
        print(f"round {number}: {victim}")
        await world.kill(victim)
        if world.random.random() < WAITED_FOR:
            await world.until_acknowledged_more(world.random.randint(0, COMMANDS_BETWEEN_MAX))
        await asyncio.sleep(world.random.uniform(0.0, PAUSE_S_MAX))
    await asyncio.to_thread(world.cloud.wait_ready)
    await world.until_acknowledged_more(COMMANDS_BETWEEN_MAX)
    await world.rest()
    await settle(world)


@asynccontextmanager
async def filled_cloud(seed: int) -> AsyncIterator[World]:
    """A cloud with a fleet in it that lives; all gone at the end."""
    running = cloud(edges=EDGES, environment=ENVIRONMENT)
    ours = await asyncio.to_thread(running.__enter__)
    try:
        url = str(ours.status["nats_url"])
        connection = await nats.connect(url, max_reconnect_attempts=-1, error_cb=ignore)
        async with http_of(ours) as http, httpx.AsyncClient(trust_env=False) as devices_http:
            with receiving(str(seed)) as hook:
                world = World(ours, seed, http, connection, hook)
                try:
                    await make(world, devices_http)
                    yield world
                finally:
                    await world.end()
                    await connection.close()
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def ignore(error: Exception) -> None:
    """That NATS is away now and then is what this is about."""


def http_of(running: Cloud) -> httpx.AsyncClient:
    """The API with the administrator's token; its address stays what it is over every restart."""
    found = running.status
    return httpx.AsyncClient(
        base_url=found["http"],
        headers={"Authorization": f"Bearer {found['admin_token']}"},
        timeout=ATTEMPT_TIMEOUT_S,
        trust_env=False,
    )
