"""Read models are rebuilt while everything goes on; a rebuild may be killed like anything else."""

import asyncio
import sys

import pytest

from rollcall.embedded.processes import identify
from rollcall.state import CHECKOUT
from tests.faults.killing import kill
from tests.faults.settling import settle
from tests.faults.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")

MODELS = ("fleet", "history", "access")
COMMANDS = 20
KILLED_AFTER_S_MAX = 2.0


@pytest.mark.parametrize("model", MODELS)
async def test_a_rebuild_under_load_disturbs_nobody(battered: World, model: str) -> None:
    before = len(battered.acknowledged)
    known = {command.key for command in battered.acknowledged}
    await battered.work()
    await battered.until_acknowledged_more(COMMANDS)
    rebuilt = await asyncio.to_thread(battered.cloud.run, "rebuild", model)
    await battered.until_acknowledged_more(COMMANDS)
    await battered.rest()

    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert len(battered.acknowledged) >= before + 2 * COMMANDS
    meanwhile = [command for command in battered.acknowledged if command.key not in known]
    assert [command for command in meanwhile if command.attempts > 1] == []
    await settle(battered)
    again = await asyncio.to_thread(battered.cloud.run, "rebuild", model)
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.parametrize("model", MODELS)
async def test_a_rebuild_that_was_killed_is_done_again(battered: World, model: str) -> None:
    rebuilding = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rollcall.cli", "rebuild", model),
        env=battered.cloud.environment,
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await asyncio.sleep(battered.random.uniform(0.0, KILLED_AFTER_S_MAX))
    kill([identify(rebuilding.pid)])
    await rebuilding.wait()

    again = await asyncio.to_thread(battered.cloud.run, "rebuild", model)
    assert again.returncode == 0, again.stdout + again.stderr
