"""The edge's workers as processes of their own, which may be killed at any moment."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rollcall.state import CHECKOUT

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
POLL_S = 0.02


async def start(module: str, environment: Mapping[str, str], *words: str) -> Process:
    """`python -m module words`, with nothing of Rollcall's in its environment but this."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ROLLCALL_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *words,
        cwd=CHECKOUT,
        env={**kept, **environment},
        stderr=asyncio.subprocess.PIPE,
    )


async def wait_ready(process: Process, ready: Path) -> None:
    async with asyncio.timeout(READY_TIMEOUT_S):
        while not ready.exists():
            assert process.returncode is None, await said(process)
            await asyncio.sleep(POLL_S)


async def said(process: Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read()).decode()


async def kill(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    await process.communicate()


@asynccontextmanager
async def running(module: str, environment: Mapping[str, str]) -> AsyncIterator[Process]:
    """Ready; ended as the supervisor ends it, which must be a clean end."""
    with TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        process = await start(module, {**environment, "ROLLCALL_READY_FILE": str(ready)})
        try:
            await wait_ready(process, ready)
            yield process
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    _, errors = await process.communicate()
                assert process.returncode == 0, errors.decode()
        finally:
            await kill(process)
