"""An edge as the process that users run."""

import asyncio
from pathlib import Path

import pytest

from tests.device_edge import processes, world
from tests.device_edge.world import MASTER_KEY, PRODUCT, Announcer, device, device_id, journal
from tests.servers import NatsServer

pytestmark = pytest.mark.asyncio
EDGE = "device_edge"
ONE = device_id(1)


def environment(server: NatsServer, state: Path) -> dict[str, str]:
    return {
        "NATS_URL": server.url,
        "NATS_AUTH_URL": server.auth_url,
        "ROLLCALL_ISSUER_SEED": server.issuer_seed,
        "ROLLCALL_DEVICE_MASTER_KEY": MASTER_KEY.hex(),
        "DATABASE_URL": world.NOWHERE,
        "ROLLCALL_DEVICE_HTTP_PORT": str(world.free_port()),
        "ROLLCALL_STATE": str(state),
    }


async def test_an_edge_is_ready_answers_and_ends_cleanly(
    clean_nats: NatsServer, facts: Announcer, tmp_path: Path
) -> None:
    await facts.announce(product={})
    told = environment(clean_nats, tmp_path)
    async with processes.running(EDGE, told), device(clean_nats, ONE) as ours:
        assert (await ours.hello(product_id=PRODUCT))["told"] == "quarantined"


async def test_an_edge_that_is_killed_leaves_the_others_to_answer(
    clean_nats: NatsServer, facts: Announcer, tmp_path: Path
) -> None:
    await facts.announce(product={})
    first = environment(clean_nats, tmp_path)
    second = {**first, "ROLLCALL_DEVICE_HTTP_PORT": str(world.free_port())}
    async with processes.running(EDGE, first) as killed, processes.running(EDGE, second):
        await processes.kill(killed)
        for number in range(10):
            async with device(clean_nats, device_id(number)) as ours:
                assert (await ours.hello(product_id=PRODUCT))["told"] == "quarantined"
        assert len(await journal(facts.connection)) == 10


async def test_edges_on_one_machine_may_share_the_port_of_downloads(
    clean_nats: NatsServer, facts: Announcer, tmp_path: Path
) -> None:
    await facts.announce(product={})
    told = environment(clean_nats, tmp_path)
    async with processes.running(EDGE, told), processes.running(EDGE, told):
        pass


async def test_without_nats_an_edge_ends_and_says_so(tmp_path: Path) -> None:
    port = world.free_port()
    nowhere = NatsServer(
        url=f"nats://127.0.0.1:{port}",
        auth_url=f"nats://127.0.0.1:{port}",
        sys_url="",
        issuer_seed="",
        nats_port=port,
        mqtt_port=0,
        monitoring_url="",
    )
    ending = await processes.start(EDGE, environment(nowhere, tmp_path))
    async with asyncio.timeout(processes.READY_TIMEOUT_S):
        _, errors = await ending.communicate()
    assert ending.returncode
    assert f"NatsUnreachable: nats://127.0.0.1:{port}" in errors.decode()
