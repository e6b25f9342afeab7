"""However a run of the tests ends, nothing that it started goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from rollcall.cli import INTERRUPTED
from rollcall.embedded.processes import Identity, children_of, runs, wait_until_gone
from rollcall.state import CHECKOUT

READY_TIMEOUT_S = 50.0
END_TIMEOUT_S = 50.0
POLL_S = 0.02
ENDLESS = "tests/rollcall/endless.py"
ALONE, SPREAD = ("-n", "0"), ("-n", "1", "--dist", "loadfile")
RUN = f"""
import sys
from rollcall.test import command, together

try:
    sys.exit(together(command("pytest", *sys.argv[2:]), beside=["sleep", sys.argv[1]]))
except KeyboardInterrupt:
    sys.exit({INTERRUPTED})
"""


class Started(Struct, frozen=True):
    """What the tests know to have started, and what they have lost from sight."""

    ours: list[Identity]
    lost: list[Identity]
    folder: str


@contextmanager
def running(
    folder: Path, words: tuple[str, ...], *, beside_s: int = 600
) -> Iterator[tuple[subprocess.Popen[str], Started]]:
    """`rollcall test`, without ruff, in the middle of a test that never ends."""
    told = folder / "told"
    with subprocess.Popen(
        [sys.executable, "-c", RUN, str(beside_s), ENDLESS, *words],
        cwd=CHECKOUT,
        env={**os.environ, "ENDLESS_TOLD": str(told)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            until = time.monotonic() + READY_TIMEOUT_S
            while not told.exists():
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < until
                time.sleep(POLL_S)
            yield process, msgspec.json.decode(told.read_bytes(), type=Started)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("how", "words"), [(signal.SIGINT, SPREAD), (signal.SIGTERM, ALONE)], ids=["several", "one"]
)
def test_told_to_end_it_ends_everything_first(
    tmp_path: Path, how: signal.Signals, words: tuple[str, ...]
) -> None:
    with running(tmp_path, words) as (run, started):
        beside = children_of(run.pid)
        run.send_signal(how)
        said = run.communicate(timeout=END_TIMEOUT_S)[0]

        assert run.returncode == INTERRUPTED, said
        assert [one for one in (*beside, *started.ours, *started.lost) if runs(one)] == []
        assert not Path(started.folder).exists()


def test_killed_it_takes_everything_along(tmp_path: Path) -> None:
    with running(tmp_path, SPREAD) as (run, started):
        beside = {*children_of(run.pid)} - {*started.lost}
        run.kill()

        assert wait_until_gone([*beside, *started.ours], END_TIMEOUT_S)
    for lost in started.lost:  # nobody is there any more who could find it
        os.kill(lost.pid, signal.SIGKILL)


def test_whoever_kills_the_tests_leaves_nothing_of_theirs(tmp_path: Path) -> None:
    with running(tmp_path, ALONE, beside_s=0) as (run, started):
        os.kill(started.ours[0].pid, signal.SIGKILL)
        said = run.communicate(timeout=END_TIMEOUT_S)[0]

        assert run.returncode not in {0, None}, said
        assert [one for one in (*started.ours, *started.lost) if runs(one)] == []
    shutil.rmtree(started.folder)
