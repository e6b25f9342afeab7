"""particle-cli as somebody uses it in a terminal, with a home folder of their own."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.installed import node_modules
from tests.clients.particle_js import NODE

COMMAND_TIMEOUT_S = 60
NEVER = "9999-12-31T23:59:59.999Z"
READ_BYTES = 65_536
# What somebody types, each when that is asked; a question may be anything that is printed.
Answers = Sequence[tuple[str, str]]
COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Printed:
    """What a command came to. `text` is all it printed, also of errors, without colours."""

    code: int
    text: str


@dataclass
class Terminal:
    """One person's: their home folder, which keeps the profile with the address and the token."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def profile(self) -> dict[str, Any]:
        """What the command line remembers: `apiUrl`, `access_token`, `username` …"""
        found: dict[str, Any] = json.loads(self._profile.read_text())
        return found

    @property
    def _profile(self) -> Path:
        return self.home / ".particle" / "particle.config.json"

    def knows(self, **settings: str) -> None:
        """Let it remember this, as after a log-in that no test waits for."""
        self._profile.parent.mkdir(exist_ok=True)
        kept = {"access_token_expires_at": NEVER, **settings}
        self._profile.write_text(json.dumps(kept))

    def run(self, command: str, *words: str, answers: Answers = ()) -> Printed:
        """`particle` with the words of the command, and then these; what it asks is answered."""
        with self._process(command, words) as process:
            printed = read_and_answer(process, answers)
        return Printed(process.returncode, plain(printed))

    def starts(self, command: str, *words: str, until: str) -> str:
        """What a command that goes on for ever prints, up to that; then it is stopped."""
        with self._process(command, words) as process:
            printed = read_and_answer(process, until=until)
            process.kill()
        assert until in printed, printed
        return plain(printed)

    @contextmanager
    def _process(self, command: str, words: Sequence[str]) -> "Iterator[subprocess.Popen[bytes]]":
        script = node_modules() / "particle-cli" / "src" / "index.js"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PARTICLE_")}
        own = {
            "HOME": str(self.home),
            "PARTICLE_DISABLE_UPDATE": "true",
            "NODE_COMPILE_CACHE": str(node_modules().parent / "compiled"),
        }
        with subprocess.Popen(
            [NODE, str(script), *command.split(), *words],
            env={**kept, **own, **self.environment},
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            late = threading.Timer(COMMAND_TIMEOUT_S, process.kill)
            late.start()
            try:
                yield process
            finally:
                late.cancel()

    def shows(self, command: str, *words: str, answers: Answers = ()) -> str:
        """What a command prints that must succeed."""
        printed = self.run(command, *words, answers=answers)
        assert printed.code == 0, printed.text
        return printed.text

    def fails(self, command: str, *words: str, answers: Answers = ()) -> str:
        """What a command prints that must fail."""
        printed = self.run(command, *words, answers=answers)
        assert printed.code != 0, printed.text
        return printed.text


def read_and_answer(
    process: "subprocess.Popen[bytes]", answers: Answers = (), until: str = ""
) -> str:
    """What it prints, to the end or up to this; each question is answered when it is there."""
    assert process.stdin is not None
    assert process.stdout is not None
    printed, seen, left = "", 0, [*answers]
    if not left:
        process.stdin.close()
    while read := os.read(process.stdout.fileno(), READ_BYTES):
        printed += read.decode()
        if until and until in printed:
            break
        if left and left[0][0] in printed[seen:]:
            seen, (_, answer) = len(printed), left.pop(0)
            process.stdin.write(f"{answer}\n".encode())
            process.stdin.flush()
    return printed


def plain(printed: str) -> str:
    return COLOUR.sub("", printed)
