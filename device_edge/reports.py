"""Reports on their way into the journal, and what devices are told once they are there.

No device acts on a decision that could still be lost: the answer goes out after the journal has
taken the report. What gathers while one message is under way goes into the next.
"""

import asyncio
import sys
from collections import deque
from secrets import token_hex

from nats.aio.client import Client
from nats.errors import Error
from nats.js.api import Header
from nats.js.errors import APIError, NoStreamResponseError

from device_edge.streams import JOURNAL, make_stream

SUBJECT = "journal.edge"
WAITING_MAX = 20_000
REPORTS_MAX = 1_000  # in one message
BYTES_MAX = 512 * 1024
ATTEMPTS_MAX = 3
ACK_TIMEOUT_S = 2.0
AGAIN_AFTER_S = 0.2


# A report, and where what is published once it is safe.
Waiting = tuple[bytes, str, bytes]


class Reports:
    """Everything that one edge has to report."""

    def __init__(self, connection: Client) -> None:
        self._connection = connection
        self._waiting: deque[Waiting] = deque()
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()
        self._name = token_hex(8)
        self._messages = 0
        self._refused_for = ""

    def add(self, report: bytes, subject: str, answer: bytes) -> None:
        """Report, and answer afterwards. Where too much waits already, nothing comes of it.

        Then, as when the journal takes nothing, the device gets no answer and asks again.
        """
        if not self._waiting:
            self._some.set()
            self._none.clear()
        if len(self._waiting) < WAITING_MAX:
            self._waiting.append((report, subject, answer))

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._some.wait()
            batch = self._take()
            if await self._store(b"[" + b",".join([report for report, _, _ in batch]) + b"]"):
                for _, subject, answer in batch:
                    await self._connection.publish(subject, answer)
            if not self._waiting:
                self._some.clear()
                self._none.set()

    async def flushed(self) -> None:
        """Until nothing waits."""
        await self._none.wait()

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while self._waiting and len(batch) < REPORTS_MAX and size < BYTES_MAX:
            batch.append(self._waiting.popleft())
            size += len(batch[-1][0]) + 1
        return batch

    async def _store(self, body: bytes) -> bool:
        """Whether the journal has it. The same message twice is kept once."""
        self._messages += 1
        headers = {Header.MSG_ID.value: f"{self._name}-{self._messages}"}
        refused_for = "no answer from JetStream"
        for _ in range(ATTEMPTS_MAX):
            try:
                await self._connection.jetstream().publish(
                    SUBJECT, body, timeout=ACK_TIMEOUT_S, headers=headers
                )
            except NoStreamResponseError:
                refused_for = "there is no stream for it"
                await self._make_journal()
            except APIError as error:
                refused_for = error.description or str(error)
                break  # full, most likely: more of it would not help
            except (Error, TimeoutError) as error:
                refused_for = str(error) or refused_for
                await asyncio.sleep(AGAIN_AFTER_S)
            else:
                self._say("")
                return True
        self._say(refused_for)
        return False

    async def _make_journal(self) -> None:
        try:
            await make_stream(self._connection, JOURNAL)
        except (Error, TimeoutError):
            await asyncio.sleep(AGAIN_AFTER_S)  # the attempts are counted where we are called

    def _say(self, refused_for: str) -> None:
        """For the operator, once each time it changes."""
        if refused_for != self._refused_for:
            trouble = f"takes nothing, so devices get no answer: {refused_for}"
            print(f"The journal {trouble if refused_for else 'is back'}.", file=sys.stderr)
            self._refused_for = refused_for
