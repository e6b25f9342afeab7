"""How the tests are spread over processes, each with servers of its own.

Much of a test's time is waiting: for a follower, for a process to start. So there are more
processes than cores.
"""

import os
from argparse import Namespace
from collections.abc import Sequence

from xdist.scheduler import LoadScopeScheduling

WORKERS_PER_CORE = 2
WORKERS_MAX = 8  # each has a PostgreSQL, a NATS, and at times a whole cloud
# Whose tests share what takes longer to make than they take.
TOGETHER = ("tests/faults/", "tests/clients/", "tests/api/calls/")
# Longest first; what is not here takes less.
LONG = (
    *("tests/faults/", "tests/clients/", "tests/bench/", "tests/api/calls/"),
    *("tests/api/test_schemathesis", "tests/story/", "tests/rollcall/", "tests/laws/"),
    *("tests/api/test_permissions.py", "tests/api/test_attacks", "tests/device_edge/test_journal"),
)


def workers(args: Sequence[str], options: Namespace) -> int:
    """How many processes; none, as pytest alone does it, for few tests or somebody who looks."""
    few = bool(options.keyword) or not any(os.path.isdir(named) for named in args)
    if few or options.capture == "no":
        return 0
    return min(WORKERS_MAX, WORKERS_PER_CORE * (os.cpu_count() or 1))


def unit_of(nodeid: str) -> str:
    """What is handed to one process as a whole: a file, or a folder that belongs together."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def begun_first(nodeid: str) -> int:
    """The place in the order in which all is handed out, so that nothing long begins at the end."""
    return next((at for at, name in enumerate(LONG) if nodeid.startswith(name)), len(LONG))


class Spread(LoadScopeScheduling):
    """Hands the next unit to whoever is about to end the last one."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
