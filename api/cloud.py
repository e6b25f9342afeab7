"""Everything that calls are answered with: opened when the process begins to serve, then closed."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter
from msgspec import Struct

from api.auth import Callers
from api.call import GRANTS_MAX, LONG_WRITERS_MAX, WRITERS_MAX, Cloud
from api.calls.link import ANSWER_TIMEOUT_S, Link
from api.database import Database
from api.followed import WAIT_S, Followed
from api.idempotency import Calls
from api.limits import BAD_LOG_INS, LIMITS, OPEN_STREAMS, Limit, Limits
from api.outbound.trying import Trials
from api.people.credentials import Passwords
from api.people.log_ins import LogIns
from api.places import Places
from api.said.feed import Feed
from api.said.metered import Meters
from api.said.open_streams import OpenStreams
from api.turns import Turns
from domain.log.fleet import Fleet
from domain.log.master_keys import Source
from domain.log.seals import Seals
from projections.deliveries.addresses import INTERNET, Reach

LOG_CONNECTIONS = 8


class Settings(Struct, frozen=True):
    """`wait_s` is how long a write waits for the read models to show it, `proxies` how many of our
    own a call comes through, each of which adds to X-Forwarded-For. Without `nats_url` no device is
    reached; `answer_s` is how long one may take to answer. With `claim_offline` a device is claimed
    by its id whether it is online or not. `reach` is how far integrations are tried out."""

    database: str
    master_key: bytes | Source
    wait_s: float = WAIT_S
    limits: tuple[Limit, ...] = LIMITS
    proxies: int = 0
    nats_url: str = ""
    answer_s: float = ANSWER_TIMEOUT_S
    claim_offline: bool = False
    reach: Reach = INTERNET


@asynccontextmanager
async def cloud_of(settings: Settings, stopping: threading.Event) -> AsyncIterator[Cloud]:
    """Everything that calls are answered with; open while the process serves."""
    database = Database(settings.database)
    followed = Followed(database.conninfo, settings.wait_s)
    calls = Calls(database)
    limits = Limits(database, settings.limits)
    seals = Seals(settings.database, settings.master_key)
    link = Link(settings.nats_url, stopping, settings.answer_s)
    feed, meters = Feed(database.conninfo), Meters(database)
    open_at_once = limits.of.get(OPEN_STREAMS)
    most = open_at_once.most if open_at_once else None
    streams = OpenStreams(database, feed, meters, most, stopping)
    await database.open()
    await asyncio.to_thread(seals.must_fit)
    fleet = await asyncio.to_thread(Fleet, settings.database, pool_connections=LOG_CONNECTIONS)
    tasks = [
        asyncio.create_task(followed.listen()),
        asyncio.create_task(calls.hold()),
        asyncio.create_task(limits.share()),
        asyncio.create_task(link.run()),
        asyncio.create_task(feed.run()),
        asyncio.create_task(meters.run()),
        asyncio.create_task(streams.run()),
    ]
    try:
        yield Cloud(
            fleet=fleet,
            database=database,
            followed=followed,
            callers=Callers(database),
            places=Places(database),
            calls=calls,
            limits=limits,
            link=link,
            trials=Trials(settings.reach),
            streams=streams,
            log_ins=LogIns(database, limits.of.get(BAD_LOG_INS), seals.digest),
            seals=seals,
            passwords=Passwords(),
            turns=Turns(),
            writers=CapacityLimiter(WRITERS_MAX),
            long_writers=CapacityLimiter(LONG_WRITERS_MAX),
            grants=CapacityLimiter(GRANTS_MAX),
            stopping=stopping,
            claim_offline=settings.claim_offline,
        )
    finally:
        stopping.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await meters.close()
        await asyncio.to_thread(fleet.close)
        await asyncio.to_thread(seals.close)
        await database.close()
