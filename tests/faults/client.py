"""A program that calls the API and asks again under the same key until it has an answer."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import httpx

from api.routing import AT_LEAST_HEADER, BEHIND_HEADER, POSITION_HEADER

ATTEMPT_TIMEOUT_S = 10.0
PATIENCE_S = 60.0  # with one command, however often it is asked
PAUSE_S_MIN = 0.02
PAUSE_S_MAX = 0.3
PASSING = frozenset({408})  # and every 5xx: nothing is known of what came of it
UNDER_WAY = "call_under_way"


@dataclass(frozen=True)
class Fact:
    """An event that must stand in the log: where, by which name, and with which fields."""

    stream: str
    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Acknowledged:
    """A command that was answered with success. `key` is its Idempotency-Key and its request id.

    `contended` says that others change the same things, so that nothing may have been left to do.
    """

    key: str
    what: str
    facts: tuple[Fact, ...]
    contended: bool
    attempts: int


class NotAcknowledged(AssertionError):
    """A command that had to succeed was refused, or was not answered in time."""


class Client:
    """What one program has asked of the API, and what it was promised."""

    def __init__(self, http: httpx.AsyncClient, name: str, random: Random) -> None:
        self.name = name
        self.acknowledged: list[Acknowledged] = []
        self._http = http
        self._random = random
        self._numbers = count(1)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        facts: Callable[[Any], Iterable[Fact]] | Iterable[Fact] = (),
        contended: bool = False,
        **content: Any,
    ) -> Any:
        """The reply's JSON, None where it has none; `facts` are what must then stand in the log.

        Raises NotAcknowledged.
        """
        key = f"{self.name}-{next(self._numbers)}"
        if body is not None:
            content["json"] = body
        headers = {"Idempotency-Key": key, "X-Request-Id": key}
        until = time.monotonic() + PATIENCE_S
        for attempt in count(1):
            reply = await self._once(method, path, headers=headers, **content)
            if reply is not None and reply.is_success:
                said = reply.json() if reply.content else None
                promised = tuple(facts(said) if callable(facts) else facts)
                what = f"{method} {path} {body}"
                self.acknowledged.append(Acknowledged(key, what, promised, contended, attempt))
                if attempt > 1 or BEHIND_HEADER in reply.headers:
                    await self._until_followed(reply.headers.get(POSITION_HEADER))
                return said
            if time.monotonic() > until or not may_pass(reply):
                answer = "no answer" if reply is None else f"{reply.status_code} {reply.text}"
                raise NotAcknowledged(f"{key}, attempt {attempt}: {method} {path} {body}: {answer}")
            await asyncio.sleep(self._random.uniform(PAUSE_S_MIN, PAUSE_S_MAX))
        raise AssertionError

    async def read(self, path: str, **query: str | int) -> Any:
        """What is there, as JSON; asked again like a command. Raises NotAcknowledged."""
        until = time.monotonic() + PATIENCE_S
        while True:
            reply = await self._once("GET", path, params=query)
            if reply is not None and reply.is_success:
                return reply.json()
            if time.monotonic() > until or not may_pass(reply):
                raise NotAcknowledged(f"GET {path}: {reply and reply.text}")
            await asyncio.sleep(self._random.uniform(PAUSE_S_MIN, PAUSE_S_MAX))

    async def _until_followed(self, position: str | None) -> None:
        """Who goes on from what they wrote waits until it can be read, where the reply says so.

        What is still not read then is found by the tests.
        """
        until = time.monotonic() + PATIENCE_S
        while position and time.monotonic() < until:
            headers = {AT_LEAST_HEADER: position}
            reply = await self._once("GET", "/v1/products", headers=headers)
            if reply is not None and reply.is_success and BEHIND_HEADER not in reply.headers:
                return
            await asyncio.sleep(self._random.uniform(PAUSE_S_MIN, PAUSE_S_MAX))

    async def _once(self, method: str, path: str, **content: Any) -> httpx.Response | None:
        """None where the connection broke: nothing is known of what came of it."""
        try:
            return await self._http.request(method, path, **content)
        except httpx.TransportError:
            return None


def may_pass(reply: httpx.Response | None) -> bool:
    """Whether the same call may well succeed later."""
    if reply is None or reply.status_code >= 500 or reply.status_code in PASSING:
        return True
    return reply.status_code == 409 and reply.json()["error"] == UNDER_WAY
