"""Where the servers and clouds of tests keep what is gone afterwards: in memory, if it has room.

What takes longest about a new database or cluster is to make a thousand files. Nothing is tested
that memory would not do: no power fails here. Benchmarks measure what users get, on a disk.
"""

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

VARIABLE = "TESTS_FOLDER"  # set while tests run, for what they start too
DISK = Path("/tmp")  # a short name: the paths of sockets may not be long
MEMORY = Path("/dev/shm")
PREFIX = "rollcall-tests-"
ROOM_BYTES_MIN = 6 << 30
LEFT_BEHIND_S = 24 * 3600  # no run takes so long: it was killed


def place() -> Path:
    return Path(os.environ.get(VARIABLE, DISK))


def made_for_run() -> Path | None:
    """A folder for this run of the tests; None where another process has made one for us."""
    if VARIABLE in os.environ:
        return None
    _clear_what_killed_runs_left()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_best()))
    folder.chmod(0o711)  # PostgreSQL's user may pass
    os.environ[VARIABLE] = str(folder)
    return folder


def _best() -> Path:
    """In memory where programs may be kept there and many clusters have room; else on the disk."""
    try:
        memory = os.statvfs(MEMORY)
    except FileNotFoundError:
        return DISK
    roomy = memory.f_bavail * memory.f_frsize >= ROOM_BYTES_MIN
    return MEMORY if roomy and not memory.f_flag & os.ST_NOEXEC else DISK


def _clear_what_killed_runs_left() -> None:
    for folder in (*MEMORY.glob(f"{PREFIX}*"), *DISK.glob(f"{PREFIX}*")):
        with suppress(FileNotFoundError):  # another process may be at it
            if time.time() - folder.stat().st_mtime > LEFT_BEHIND_S:
                shutil.rmtree(folder, ignore_errors=True)
