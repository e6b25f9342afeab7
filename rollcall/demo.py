"""`rollcall demo`: the life of one product, told on the terminal by a cloud made for it alone."""

import argparse
import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack
from typing import Any

from rollcall.embedded.processes import raise_open_files_max
from rollcall.story.calls import Api
from rollcall.story.fleet import SimulatedFleet
from rollcall.story.log import Log
from rollcall.story.story import tell
from rollcall.story.telling import NotAsTold, Telling
from rollcall.story.throwaway import ThrowawayCloud, throwaway_cloud
from rollcall.story.world import DEVICES_MAX, DEVICES_MIN, PLATFORM, Cast, World

HELP = "Tell the life of a product on a cloud of its own, with a fleet of simulated devices."
EXAMPLES = """\
examples:
  rollcall demo                  1,000 devices, in about a minute
  rollcall demo --devices 100
  rollcall demo --keep           leave the cloud running, to look around in it
  rollcall demo --json           one JSON object at the end; the story goes to standard error

It runs beside any other cloud and touches none: its state is in a folder of its own, its ports
are free ones. Each sentence is printed once it was found true, by what the API, the devices and the
log say. exit code: 0 all was as told, 1 something was not (it is named)
"""
DEVICES_DEFAULT = 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--devices",
        type=devices,
        default=DEVICES_DEFAULT,
        metavar="N",
        help=f"{DEVICES_MIN} to {DEVICES_MAX:,} simulated devices (%(default)s)",
    )
    parser.add_argument("--keep", action="store_true", help="leave the cloud running at the end")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def devices(text: str) -> int:
    number = int(text)
    if not DEVICES_MIN <= number <= DEVICES_MAX:
        raise argparse.ArgumentTypeError(f"from {DEVICES_MIN} to {DEVICES_MAX}")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Ctrl-C, and SIGTERM alike, end the story early; the cloud is stopped and removed then too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise_open_files_max()
    telling = Telling(sys.stderr if arguments.json else sys.stdout)
    with throwaway_cloud(keep=arguments.keep) as cloud:
        try:
            result = play(cloud, telling, arguments.devices)
        finally:
            if arguments.keep:
                telling.say(kept(cloud))
    if arguments.json:
        print(json.dumps(result))
    return 0 if result["as_told"] else 1


def play(cloud: ThrowawayCloud, telling: Telling, size: int) -> dict[str, Any]:
    """Start the cloud and tell the story. The result says what each step saw, or what was wrong."""
    telling.say(f"A cloud of its own starts in {cloud.folder}, for {size:,} simulated devices.")
    found = cloud.start()
    telling.say(f"{telling.took_s:6.1f} s  It serves at {found['http']}, MQTT at {found['mqtt']}.")
    result: dict[str, Any] = {"devices": size, "as_told": False, "steps": []}
    result["state"] = str(cloud.state.path)
    try:
        asyncio.run(told_in(cloud, found, telling, size, result))
    except NotAsTold as wrong:
        telling.say(f"\nNot as told. {wrong.what}:")
        telling.say(f"  expected  {wrong.expected}\n  seen      {wrong.seen}")
        result["wrong"] = str(wrong)
    else:
        result["as_told"] = True
        telling.say(f"\nAll as told, in {telling.took_s:.0f} s.")
    result["took_s"] = round(telling.took_s, 1)
    return result


async def told_in(
    cloud: ThrowawayCloud,
    found: dict[str, Any],
    telling: Telling,
    size: int,
    result: dict[str, Any],
) -> None:
    async with AsyncExitStack() as held:
        api = Api(found["http"], found["admin_token"])
        held.push_async_callback(api.close)
        log = await Log.open(found["database"])
        held.push_async_callback(log.close)
        fleet = SimulatedFleet(found["mqtt"], cloud.device_master_key, PLATFORM)
        held.push_async_callback(fleet.switch_off)
        world = World(cloud, api, log, fleet, telling, Cast(size))
        await tell(world, result["steps"])


def kept(cloud: ThrowawayCloud) -> str:
    state = cloud.state.path
    return (
        f"The cloud keeps running; its state directory is {state}.\n"
        f"  ROLLCALL_STATE={state} rollcall status    where it listens\n"
        f"  ROLLCALL_STATE={state} rollcall stop      stops it; then remove {cloud.folder}"
    )
