"""The real servers and the real supervisor around children that do nothing."""

import os
import sys
from functools import partial

from migrations import migrate
from rollcall.children import Child
from rollcall.cloud import Cloud
from rollcall.settings import read_settings
from rollcall.trouble import Trouble

MODULE = "tests.rollcall.standin"
CHILDREN = [Child("api", MODULE), Child("edge-1", MODULE, 0), Child("edge-2", MODULE, 1)]


def main() -> None:
    say = partial(print, flush=True)
    try:
        settings = read_settings(os.environ)
        Cloud(settings, CHILDREN, migrate=migrate, say=say, announce=say).run()
    except Trouble as trouble:
        sys.exit(f"rollcall: {trouble}")


if __name__ == "__main__":
    main()
