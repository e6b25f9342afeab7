"""`rollcall stop`: end the cloud of this state directory, and wait until it has ended."""

import argparse
import os
import signal
import time

from rollcall.embedded.processes import end
from rollcall.settings import read_settings
from rollcall.state import State
from rollcall.trouble import Trouble

HELP = "Stop what `rollcall up` started here, and wait until it has ended."
STOP_TIMEOUT_S = 60.0  # longer than all the children's time-outs together
POLL_S = 0.02


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> int:
    state = State(read_settings(os.environ).state)
    if not state.is_owned():
        leftovers = state.runtime()
        if leftovers:
            end(leftovers.children, signals={"postgres": signal.SIGINT})
            state.forget_runtime()
        print("Nothing runs here." if leftovers is None else "Stopped what a killed one had left.")
        return 0
    runtime = state.runtime()
    if runtime is None:
        raise Trouble("It is starting or stopping this very moment: try again in a few seconds.")
    os.kill(runtime.supervisor.pid, signal.SIGTERM)
    until = time.monotonic() + STOP_TIMEOUT_S
    while state.is_owned():
        if time.monotonic() > until:
            pid = runtime.supervisor.pid
            raise Trouble(f"Process {pid} did not end in {STOP_TIMEOUT_S:.0f} s.")
        time.sleep(POLL_S)
    print("Stopped.")
    return 0
