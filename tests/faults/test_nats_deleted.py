"""NATS loses all that it has stored. It never held the only copy of a fact: all comes back."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable

import pytest

from rollcall.embedded.processes import identify
from tests.cloud import Cloud
from tests.faults.killing import kill
from tests.faults.settling import settle, until_announced, until_answered_anew
from tests.faults.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")

COMMANDS = 40


def delete_while_stopped(cloud: Cloud) -> None:
    cloud.stop()
    shutil.rmtree(cloud.state.path / "nats")
    cloud.start()


def delete_after_a_kill(cloud: Cloud) -> None:
    pids = cloud.status["pids"]
    # The supervisor would be faster than we are.
    os.kill(pids["supervisor"], signal.SIGSTOP)
    try:
        kill([identify(pids["nats"])])
        shutil.rmtree(cloud.state.path / "nats")
    finally:
        os.kill(pids["supervisor"], signal.SIGCONT)
    cloud.wait_ready()


@pytest.mark.parametrize(
    "delete",
    [delete_while_stopped, delete_after_a_kill],
    ids=["while the cloud is stopped", "after a kill of NATS"],
)
async def test_facts_and_events_come_back_from_the_log_and_the_fleet_goes_on(
    battered: World, delete: Callable[[Cloud], None]
) -> None:
    before = {device.device_id: device.version for device in battered.devices.values()}

    await asyncio.to_thread(delete, battered.cloud)

    await until_announced(battered)
    await until_answered_anew(battered)
    answered = {device.device_id: device.told for device in battered.devices.values()}
    assert {told["told"] for told in answered.values()} == {"nothing"}
    assert {device.device_id: device.version for device in battered.devices.values()} == before

    await battered.work()
    await battered.until_acknowledged_more(COMMANDS)
    await battered.rest()
    await settle(battered)
    await until_announced(battered)
    checked = await asyncio.to_thread(battered.cloud.run, "verify", "decisions")
    assert checked.returncode == 0, checked.stdout + checked.stderr
