"""Device events, integrations and workers for tests of deliveries, with a clock of their own."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg

from domain.integration import (
    SETTINGS,
    SIGNING_SECRET,
    CreateIntegration,
    RemoveIntegration,
    ReplaceIntegration,
)
from domain.log.fleet import Fleet
from domain.log.seals import Seals
from domain.recorded import Provenance
from projections.deliveries.addresses import Reach
from projections.deliveries.dispatch import DELIVERIES_CHANNEL, Dispatch
from projections.deliveries.opening import Opening
from projections.deliveries.process import connecting
from projections.deliveries.publishing import Publisher
from projections.deliveries.sending import Limits, sender
from projections.deliveries.worker import Connection, Pace, Worker
from projections.fleet.model import FleetModel
from projections.integrations.model import IntegrationsModel
from projections.integrations.settings import Settings, WebhookSettings, stored
from tests.people import MASTER_KEY
from tests.projections import world as fleet_world
from tests.projections.following import follow, run
from tests.projections.patience import PATIENCE_S

SECRET = "whsec_" + "QUJDRA=="
PRODUCT = 7000
DEVICE = "e00fce681234567890abcdef"
HERE = Limits(reach=Reach(everywhere=True), timeout_s=3.0)
SWIFT = Pace(renew_every_s=0.2, lease_s=5.0)
POLL_S = 0.01
BY_TEST = Provenance(actor="test")


class World:
    """One database. What is read is as of now; what is due is due by `now`, which stands still."""

    def __init__(self, database: str, fleet: Fleet, seals: Seals) -> None:
        self.database = database
        self.now = datetime.now(UTC)
        self._fleet = fleet
        self._seals = seals
        self._numbers = count(1)
        self._connection = psycopg.connect(database, autocommit=True)
        self.sql("CREATE TABLE telemetry.always PARTITION OF telemetry.device_event DEFAULT")
        fleet_world.World(fleet).product(PRODUCT)
        follow(database, FleetModel())

    def close(self) -> None:
        self._connection.close()

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []

    def integration(
        self,
        settings: Settings,
        prefix: str = "temp",
        *,
        product_id: int | None = PRODUCT,
        **more: Any,
    ) -> str:
        """Its id."""
        integration_id = f"{next(self._numbers):024x}"
        self._seals.new_key(integration_id)
        sealed = self._seals.seal_all(
            integration_id, {SETTINGS: stored(settings), SIGNING_SECRET: SECRET}
        )
        self.do(
            CreateIntegration(
                integration_id=integration_id,
                kind="webhook" if isinstance(settings, WebhookSettings) else "nats",
                name="ours",
                event_prefix=prefix,
                settings=sealed[SETTINGS],
                secret=sealed[SIGNING_SECRET],
                product_id=product_id,
                **more,
            )
        )
        return integration_id

    def webhook(self, url: str, prefix: str = "temp", **more: Any) -> str:
        """One that posts what was said as it is, and answers nobody; its id."""
        settings = WebhookSettings(url=url, body="{{{PARTICLE_EVENT_VALUE}}}")
        return self.integration(settings, prefix, **more)

    def plain_webhook(self, url: str) -> str:
        """One of the usual kind, which says back what it is answered; its id."""
        return self.integration(WebhookSettings(url=url))

    def disable(self, integration_id: str, *, disabled: bool = True) -> None:
        self.do(
            ReplaceIntegration(
                integration_id=integration_id, name="ours", event_prefix="temp", disabled=disabled
            )
        )

    def remove(self, integration_id: str) -> None:
        self.do(RemoveIntegration(integration_id=integration_id))

    def do(self, command: Any) -> None:
        self._fleet.execute(command, BY_TEST)
        follow(self.database, IntegrationsModel())

    def say(
        self,
        *texts: str,
        device_id: str = DEVICE,
        name: str = "temp",
        product_id: int | None = PRODUCT,
        user_id: str | None = None,
        publisher: str | None = None,
        position: int | None = None,
    ) -> None:
        """Device events, stored as the intake stores them."""
        self.sql(
            "INSERT INTO telemetry.device_event (device_id, product_id, user_id, name, data, ttl,"
            ' published_at, publisher, "position") SELECT %s, %s, %s, %s, text, 60, now(), %s, %s'
            " FROM unnest(%s::text[]) WITH ORDINALITY AS said (text, number) ORDER BY number",
            *(device_id, product_id, user_id, name, publisher, position, list(texts)),
        )

    def dispatch(self) -> None:
        """Make deliveries of all that was said."""
        run(self.database, Dispatch(now=lambda: self.now))

    def limit(self, messages: int, meter: str = f"product-{PRODUCT}") -> None:
        self.sql(
            "INSERT INTO metered.allowance VALUES (%s, %s) ON CONFLICT (meter)"
            " DO UPDATE SET limit_messages = excluded.limit_messages",
            *(meter, messages),
        )

    def states(self) -> dict[str, int]:
        return dict(self.sql("SELECT state, count(*) FROM outbound.delivery GROUP BY state"))

    def meter(self, meter: str = f"product-{PRODUCT}") -> tuple[int, int]:
        """What was counted in all periods, and what is in flight."""
        [(counted, in_flight)] = self.sql(
            "SELECT coalesce(sum(counted), 0)::int, coalesce(sum(in_flight), 0)::int"
            " FROM usage.meter WHERE meter = %s",
            meter,
        )
        return counted, in_flight

    def said_back(self) -> list[dict[str, Any]]:
        rows = self.sql("SELECT message FROM outbound.said ORDER BY said_id")
        return [json.loads(message) for (message,) in rows]

    def pass_time(self, **time: float) -> None:
        """Workers look at once what is due by now."""
        self.now += timedelta(**time)
        self.sql(f"NOTIFY {DELIVERIES_CHANNEL}")

    async def until(
        self, look: Callable[[], object], timeout_s: float = PATIENCE_S, *, tick_s: float = 0.0
    ) -> None:
        """Until it is true, while workers work, and at each look so much time has passed."""
        end = time.monotonic() + timeout_s
        while not look():
            assert time.monotonic() < end, f"in vain: {self.states()}, {self.meter()}"
            await asyncio.sleep(POLL_S)
            if tick_s:
                self.pass_time(seconds=tick_s)

    async def until_states(self, *, tick_s: float = 0.0, **states: int) -> None:
        await self.until(lambda: self.states() == states, tick_s=tick_s)

    async def until_tried(self, attempts: int) -> None:
        """Until there were so many attempts, and everything about them is written down."""
        await self.until(
            lambda: (
                self.sql("SELECT count(*) FROM outbound.attempt") == [(attempts,)]
                and not self.sql("SELECT 1 FROM outbound.lane WHERE lease_id IS NOT NULL")
            )
        )

    @asynccontextmanager
    async def working(
        self, workers: int = 1, *, pace: Pace = SWIFT, limits: Limits = HERE, nats_url: str = ""
    ) -> AsyncIterator[Sequence[Worker]]:
        """So many workers at work until the end of the block; they stop in good order then."""
        publisher = Publisher(nats_url)
        connecting = asyncio.create_task(publisher.run()) if nats_url else None
        async with sender(limits) as sending:
            ours = [
                Worker(
                    self.connect,
                    Opening(self._seals),
                    sending,
                    publisher,
                    pace=pace,
                    now=lambda: self.now,
                )
                for _ in range(workers)
            ]
            tasks = [asyncio.create_task(worker.run()) for worker in ours]
            try:
                yield ours
            finally:
                for worker in ours:
                    worker.stop()
                await asyncio.gather(*tasks)
                if connecting is not None:
                    connecting.cancel()
                await publisher.close()

    async def connect(self) -> Connection:
        return await connecting(self.database)()


@contextmanager
def deliveries_world(database: str) -> Iterator[World]:
    with (
        closing(Fleet(database, pool_connections=1)) as fleet,
        closing(Seals(database, MASTER_KEY)) as seals,
        closing(World(database, fleet, seals)) as world,
    ):
        yield world
