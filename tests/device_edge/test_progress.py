"""What devices report of updates: kept, then acknowledged."""

from typing import Any

import pytest
from nats.aio.client import Client

from device_edge.edge import Settings
from tests.device_edge.world import PRODUCT, Announcer, device, device_id, journal, until
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
ONE = device_id(1)


async def test_a_report_is_in_the_journal_when_it_is_acknowledged(
    edge: Settings, clean_nats: NatsServer, facts: Announcer, connection: Client
) -> None:
    position = await facts.announce({ONE: {"product_id": PRODUCT}}, {"attempts_max": 5})
    async with device(clean_nats, ONE) as ours:
        await ours.hello(at_least=position)
        ack = await ours.ask(
            "update", {"version": 3, "state": "failed", "reason": "no power", "id": "u"}, "ack"
        )
        assert ack == {"about": "update", "version": 3, "state": "failed", "id": "u"}
        report = (await journal(connection))[-1]
    assert report.pop("at")
    assert report == {
        "report": "progress",
        "device_id": ONE,
        "version": 3,
        "state": "failed",
        "reason": "no power",
        "attempts_max": 5,
    }


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"state": "started"}, "version"),
        ({"version": 3}, "state"),
        ({"version": 0, "state": "started"}, "version"),
        ({"version": 3, "state": "confirmed"}, "state"),
        ({"version": 3, "state": "failed", "reason": "x" * 257}, "reason"),
        ({"version": 3, "state": "failed", "reason": "a\0b"}, "reason"),
        (b"{", ""),
    ],
)
async def test_a_malformed_report_is_told_the_field_and_not_kept(
    edge: Settings, clean_nats: NatsServer, connection: Client, said: Any, field: str
) -> None:
    async with device(clean_nats, ONE) as ours:
        refusal = await ours.ask("update", said, "ack")
    assert (refusal["about"], refusal["error"], refusal["field"]) == ("update", "malformed", field)
    assert await journal(connection) == []


async def test_what_other_processes_publish_there_by_mistake_breaks_nothing(
    edge: Settings, clean_nats: NatsServer, connection: Client
) -> None:
    for what in ("hello", "update", "chunk"):
        await connection.publish(f"d.nobody.up.{what}", b"{}")
    async with device(clean_nats, ONE) as ours:

        async def answered() -> Any:
            return await ours.hello(product_id=PRODUCT)

        assert await until(answered)
