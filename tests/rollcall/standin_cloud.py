"""The real servers and the real supervisor around children that do nothing."""

import os
import sys
from functools import partial

from rollcall.children import Child
from rollcall.cloud import Cloud
from rollcall.settings import read_settings
from rollcall.state import State
from rollcall.trouble import Trouble
from rollcall.up import announce_and_leave, detach, say

MODULE = "tests.rollcall.standin"
CHILDREN = [Child("api", MODULE), Child("edge-1", MODULE, 0), Child("edge-2", MODULE, 1)]


def main(words: list[str]) -> int:
    settings = read_settings(os.environ)
    state = State(settings.state)
    if "--detach" in words:
        return detach(state, [sys.executable, "-m", __spec__.name, "--detached"])
    announce = partial(announce_and_leave, state) if "--detached" in words else say
    Cloud(settings, CHILDREN, say=say, announce=announce).run()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        sys.exit(f"rollcall: {trouble}")
