"""A receiver of webhooks as it should be: what it has taken once it does not take again."""

import asyncio
from random import Random

from tests.projections.deliveries.receiver import Asked, replying

TROUBLE = 0.1  # of the requests, while there is any


class Accepting:
    """Takes each id once; while it is `troubled`, it fails in one way or another now and then."""

    def __init__(self, random: Random, *, troubled: bool) -> None:
        self.accepted: dict[str, str] = {}  # what was said, by id, in the order of coming
        self.repeated = 0
        self.troubled = troubled
        self._random = random

    async def answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if self.troubled and self._random.random() < TROUBLE:
            await self._random.choice([self._refuse, self._break_off, self._babble])(asked, writer)
            return
        message_id = asked.headers["webhook-id"]
        if message_id in self.accepted:
            self.repeated += 1
        else:
            self.accepted[message_id] = asked.body.decode()
        if self.troubled and self._random.random() < TROUBLE:
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
