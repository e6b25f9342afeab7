"""Firmware is brought to the edge when it becomes known, before the first device asks for it."""

import asyncio
import sys
from collections import deque

from device_edge.content import Content, ContentUnavailable
from device_edge.known import Batch, FirmwareFacts

WAITING_MAX = 1_000  # of older ones the first device that asks waits for them itself


class Prefetching:
    def __init__(self, content: Content) -> None:
        self._content = content
        self._waiting: deque[FirmwareFacts] = deque(maxlen=WAITING_MAX)
        self._some = asyncio.Event()

    def add(self, batch: Batch) -> None:
        self._waiting.extend(facts for facts in batch.firmware.values() if facts is not None)
        if self._waiting:
            self._some.set()

    async def run(self) -> None:
        """For ever, the newest first."""
        while True:
            await self._some.wait()
            while self._waiting:
                facts = self._waiting.pop()
                try:
                    await self._content.prefetch(facts.sha256, facts.size_bytes)
                except ContentUnavailable as error:
                    # Devices that ask for it try again themselves.
                    reason = error.__cause__ or repr(error)
                    print(f"Not prefetched: {reason}", file=sys.stderr, flush=True)
            self._some.clear()
