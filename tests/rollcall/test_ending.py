"""Tasks are ended until they hear."""

import asyncio

import pytest

from rollcall.ending import end

DEAF_TIMES = 3


async def deaf() -> str:
    """Forgets the first cancellations."""
    for _ in range(DEAF_TIMES):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue
    await asyncio.sleep(60)
    return "never"


async def begun(work: object) -> "asyncio.Task[object]":
    task: asyncio.Task[object] = asyncio.create_task(work)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    return task


@pytest.mark.asyncio
async def test_who_forgets_that_it_was_cancelled_is_told_again() -> None:
    task = await begun(deaf())
    await end(task)
    assert task.cancelled()


@pytest.mark.asyncio
async def test_what_it_ended_with_is_nobodys() -> None:
    async def breaks() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("too late")

    task = await begun(breaks())
    await end(task)
    assert isinstance(task.exception(), ValueError)


@pytest.mark.asyncio
async def test_who_is_cancelled_while_ending_others_ends_them_first() -> None:
    task = await begun(deaf())
    ending = await begun(end(task))
    ending.cancel()
    await asyncio.wait([ending])
    assert ending.cancelled()
    assert task.cancelled()
