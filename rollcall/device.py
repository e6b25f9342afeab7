"""`rollcall device`: a device to try things with, and the secret that a real one is given."""

import argparse
import asyncio
import hmac
import os
from collections.abc import Iterator
from hashlib import sha256
from re import fullmatch
from urllib.parse import urlsplit

import httpx

from rollcall.reference_answers import Offer, returning, value_of
from rollcall.reference_device import Behaviour, ReferenceDevice
from rollcall.secret_keys import secrets_of
from rollcall.settings import read_settings
from rollcall.state import State
from rollcall.trouble import Trouble

HELP = "Be a device (run), or print the secret that a device is made with (secret)."
EXAMPLES = """\
  rollcall device secret e00fce681f2a3b4c5d6e7f80
  rollcall device run e00fce681f2a3b4c5d6e7f80 --product 94 --version 1 --publish temperature=21.5
  rollcall device run e00fce681f2a3b4c5d6e7f80 --function check=200 --variable name=lamp
"""
DEVICE_ID = r"[0-9a-f]{24}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    secret = actions.add_parser("secret", help="print the device's secret")
    secret.add_argument("id", help="24 lowercase hexadecimal digits")
    run_ = actions.add_parser("run", help="connect, say hello, update when told to, until Ctrl-C")
    run_.add_argument("id", help="24 lowercase hexadecimal digits")
    run_.add_argument("--product", type=int, help="the product id its firmware carries")
    run_.add_argument("--version", type=int, help="the product version its firmware carries")
    run_.add_argument("--platform", type=int, help="the device type")
    run_.add_argument("--host", help="where MQTT listens (default: this machine's Rollcall)")
    run_.add_argument("--mqtt-port", type=int, help="where MQTT listens (default: the same)")
    run_.add_argument("--secret", help="the secret (default: from this machine's Rollcall)")
    run_.add_argument("--updates-disabled", action="store_true", help="say that it wants no update")
    run_.add_argument("--fail", default="", metavar="REASON", help="let every update fail so")
    run_.add_argument(
        "--never-confirm", action="store_true", help="come back from updates with the old version"
    )
    run_.add_argument("--chunks", action="store_true", help="fetch over the session, not by HTTP")
    run_.add_argument(
        "--publish", action="append", default=[], metavar="NAME=DATA", help="publish this first"
    )
    run_.add_argument(
        "--function", action="append", default=[], metavar="NAME=NUMBER", help="have this function"
    )
    run_.add_argument(
        "--variable", action="append", default=[], metavar="NAME=VALUE", help="have this variable"
    )
    run_.add_argument(
        "--subscribe",
        action="append",
        default=[],
        metavar="PREFIX",
        help="print the device events that it hears of those whose names begin so",
    )
    run_.add_argument("--serial-number", default="", help="the serial number it says it has")
    run_.add_argument("--claim-code", default="", help="the claim code it shows")


def run(arguments: argparse.Namespace) -> int:
    if not fullmatch(DEVICE_ID, arguments.id):
        raise Trouble(f"{arguments.id!r} is no device id: 24 lowercase hexadecimal digits.")
    if arguments.action == "secret":
        print(secret_of(arguments.id))
        return 0
    try:
        asyncio.run(live(arguments))
    except KeyboardInterrupt:
        return 0
    return 0


async def live(arguments: argparse.Namespace) -> None:
    host, port = where(arguments)
    async with httpx.AsyncClient(trust_env=False) as http:
        device = ReferenceDevice(
            device_id=arguments.id,
            secret=arguments.secret or secret_of(arguments.id),
            product_id=arguments.product,
            version=arguments.version,
            platform_id=arguments.platform,
            host=host,
            mqtt_port=port,
            behaviour=Behaviour(
                updates_enabled=not arguments.updates_disabled,
                fail=arguments.fail,
                never_confirm=arguments.never_confirm,
                by_chunks=arguments.chunks,
            ),
            offer=offer(arguments),
            claim_code=arguments.claim_code,
            http=http,
            say=lambda sentence: print(f"{arguments.id}: {sentence}", flush=True),
        )
        publishing = asyncio.create_task(publish(device, arguments.publish))
        try:
            await device.run()
        finally:
            publishing.cancel()


def offer(arguments: argparse.Namespace) -> Offer:
    """What the device is to have. Raises Trouble."""
    numbers = {"serial_number": arguments.serial_number} if arguments.serial_number else {}
    functions = {}
    for name, _, number in pairs(arguments.function):
        if not fullmatch(r"-?\d+|", number):
            raise Trouble(f"--function {name}={number}: what it returns is a whole number.")
        functions[name] = returning(int(number or 0))
    variables = {name: value_of(held) for name, _, held in pairs(arguments.variable)}
    return Offer(functions, variables, numbers, arguments.subscribe)


def pairs(wanted: list[str]) -> Iterator[tuple[str, str, str]]:
    return (one.partition("=") for one in wanted)


async def publish(device: ReferenceDevice, wanted: list[str]) -> None:
    if wanted:
        events = [dict(zip(("name", "data"), one.split("=", 1), strict=False)) for one in wanted]
        ack = await device.publish(events)
        device.say(f"published {ack['stored']}, refused {ack['refused']}")


def where(arguments: argparse.Namespace) -> tuple[str, int]:
    """Where MQTT listens: as asked, or as the Rollcall of this machine says."""
    runtime = State(read_settings(os.environ).state).runtime()
    known = urlsplit(runtime.mqtt or "") if runtime else None
    host = arguments.host or (known.hostname if known else None)
    port = arguments.mqtt_port or (known.port if known else None)
    if not host or not port:
        raise Trouble("No Rollcall runs here: say --host and --mqtt-port.")
    return host, port


def secret_of(device_id: str) -> str:
    """The device's secret, by the master key of this machine's Rollcall."""
    settings = read_settings(os.environ)
    state = State(settings.state)
    if settings.master_key is None and not state.secrets.exists():
        raise Trouble(f"There is no master key in {state.path}: has Rollcall ever run here?")
    key = settings.master_key or secrets_of(state).device_master_key
    return hmac.digest(bytes.fromhex(key), device_id.encode(), sha256).hex()
