"""A receiver of webhooks as it should be: what it has taken once it does not take again.

What it takes is in a file before anybody hears of it, so that it may be killed. `python -m
tests.faults.accepting` serves one, as the variables of its environment say.
"""

import asyncio
import os
from pathlib import Path
from random import Random

from tests.projections.deliveries.receiver import Asked, receiver, replying

FOLDER, PORT, SEED = "ACCEPTING_FOLDER", "ACCEPTING_PORT", "ACCEPTING_SEED"
TAKEN, READY, TROUBLED = "taken", "ready", "troubled"
TROUBLE = 0.1  # of the requests, while there is any


class Accepting:
    """Takes each id once; while it is troubled, it fails in one way or another now and then."""

    def __init__(self, folder: Path, random: Random) -> None:
        self._taken = {message_id for message_id, _ in read_taken(folder)}
        self._file = os.open(folder / TAKEN, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._troubled = folder / TROUBLED
        self._random = random

    async def answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        troubled = self._troubled.exists()
        if troubled and self._random.random() < TROUBLE:
            await self._random.choice([self._refuse, self._break_off, self._babble])(asked, writer)
            return
        message_id = asked.headers["webhook-id"]
        if message_id not in self._taken:
            os.write(self._file, f"{message_id} {asked.body.decode()}\n".encode())
            self._taken.add(message_id)
        if troubled and self._random.random() < TROUBLE:
            writer.close()  # taken, and nobody hears of it
            return
        await replying(200, b"ok")(asked, writer)

    async def _refuse(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        await replying(self._random.choice([400, 404, 429, 500, 503]))(asked, writer)

    async def _break_off(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def _babble(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff\x00 nonsense\r\n\r\n")
        await writer.drain()
        writer.close()


def read_taken(folder: Path) -> list[tuple[str, str]]:
    """Each id that was taken with what was said, in the order of coming."""
    if not (folder / TAKEN).exists():
        return []
    lines = (folder / TAKEN).read_text().splitlines()
    return [(message_id, said) for message_id, _, said in (line.partition(" ") for line in lines)]


async def main() -> None:
    folder, port = Path(os.environ[FOLDER]), int(os.environ[PORT])
    # Who comes back after a kill has other moods than before.
    random = Random(f"{os.environ[SEED]} {len(read_taken(folder))}")
    async with receiver(Accepting(folder, random).answer, port=port):
        (folder / READY).touch()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
