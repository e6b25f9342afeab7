"""Reads server-sent events as they come."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

TIMEOUT_S = 20.0  # without a byte


class Heard(NamedTuple):
    """One event: its place, its name, and what its data spells."""

    place: int
    name: str
    said: Any


class Ear:
    """An open stream. `place` is where to resume, as a browser keeps it."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments: list[str] = []
        self.place: int | None = None
        self._blocks = self._read()

    def next(self) -> Heard:
        """The next event. Raises StopIteration when the stream has ended."""
        while True:
            fields = next(self._blocks)
            if "data" in fields:
                place = int(fields["id"])
                return Heard(place, fields["event"], json.loads(fields["data"]))

    def take(self, number: int) -> list[Heard]:
        return [self.next() for _ in range(number)]

    def rest(self) -> list[Heard]:
        """Everything until the stream ends."""
        found = []
        while True:
            try:
                found.append(self.next())
            except StopIteration:
                return found

    def beat(self) -> dict[str, str]:
        """The next thing of any kind."""
        return next(self._blocks)

    def _read(self) -> Iterator[dict[str, str]]:
        fields: dict[str, str] = {}
        for line in self.response.iter_lines():
            if not line:
                if "id" in fields:
                    self.place = int(fields["id"])
                yield fields
                fields = {}
                continue
            name, _, value = line.partition(":")
            if not name:
                self.comments.append(value.strip())
            else:
                fields[name] = value.removeprefix(" ")


@contextmanager
def listening(client: httpx.Client, path: str, **options: Any) -> Iterator[Ear]:
    """What comes from there; nothing that is said from now on is missed."""
    timeout = httpx.Timeout(TIMEOUT_S)
    with client.stream("GET", path, timeout=timeout, **options) as response:
        if response.status_code != 200:
            response.read()
        assert response.status_code == 200, response.text
        ear = Ear(response)
        assert ear.beat() == {}  # :ok
        ear.beat()  # where it begins
        yield ear
