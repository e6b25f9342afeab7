"""particle-api-js' EventStream, each in a process of its own, as an application has it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.clients.installed import SCRIPTS, node_modules
from tests.clients.particle_js import END_TIMEOUT_S, NODE, ParticleJs


class Stream:
    """What becomes of it, in order."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def next(self) -> tuple[str, Any]:
        """What happened, and what the library said of it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process is gone"
        found = json.loads(line)
        return found["what"], found["said"]

    def event(self) -> dict[str, Any]:
        """The next thing that happens, which must be an event."""
        what, said = self.next()
        assert what == "event", said
        event: dict[str, Any] = said
        return event

    def until(self, wanted: str) -> list[str]:
        """What happened up to that, which is included."""
        happened = [self.next()[0]]
        while happened[-1] != wanted:
            happened.append(self.next()[0])
        return happened


@contextmanager
def opened(js: ParticleJs, method: str, /, **options: Any) -> Iterator[Stream]:
    """A stream that is connected, or refused: see what is next."""
    words = [str(node_modules()), method, json.dumps(js.settings), json.dumps(options)]
    with subprocess.Popen(
        [NODE, str(SCRIPTS / "streams.mjs"), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Stream(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(END_TIMEOUT_S) == 0
