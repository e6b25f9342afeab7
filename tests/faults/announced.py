"""What NATS should hold, made from the log alone: facts for the edges, and every event once."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
from nats.aio.client import Client

from domain.deciders import EVENTS
from domain.facts import (
    DEVICE_FACTS_CHANGED_BY,
    NO_DEVICE_FACTS,
    PRODUCT_FACTS_CHANGED_BY,
    evolve_device,
    evolve_product,
)
from domain.firmware import FirmwareDeleted, FirmwareUploaded
from domain.model import Event
from domain.subjects import (
    FACTS_HEAD,
    FACTS_STREAM,
    FLEET_STREAM,
    facts_of_device,
    facts_of_firmware,
    facts_of_product,
)
from tests.faults.log import Entry, Log
from tests.faults.nats import read_all

SHOWN_MAX = 5


async def facts_wrong(log: Log, nats: Client) -> str:
    """Where the facts in NATS are not those of the log; empty if they are."""
    told = dict(await read_all(nats, FACTS_STREAM))
    entries = log.events()
    head = told.pop(FACTS_HEAD, {}).get("position")
    if head != entries[-1].position:
        return f"the facts are as of {head}, the log is at {entries[-1].position}"
    expected = facts_of(entries)
    wrong = [
        f"{subject}: {told.get(subject, 'nothing')}, not {expected.get(subject, 'nothing')}"
        for subject in sorted(told.keys() | expected.keys())
        if told.get(subject, "nothing") != expected.get(subject, "nothing")
    ]
    return "\n".join(wrong[:SHOWN_MAX])


def facts_of(entries: Iterable[Entry]) -> dict[str, Any]:
    """The last fact of each subject, as its JSON (None: empty), after all these events."""
    devices: dict[str, Any] = {}
    products: dict[int, Any] = {}
    facts: dict[str, Any] = {}
    for entry in entries:
        event: Any = event_of(entry)
        kind = type(event)
        if kind in DEVICE_FACTS_CHANGED_BY:
            before = devices.get(event.device_id, NO_DEVICE_FACTS)
            devices[event.device_id] = evolve_device(before, event)
        elif kind in PRODUCT_FACTS_CHANGED_BY:
            products[event.product_id] = evolve_product(products.get(event.product_id), event)
        elif isinstance(event, FirmwareUploaded):
            told = {"sha256": event.sha256, "size_bytes": event.size_bytes}
            facts[facts_of_firmware(event.product_id, event.version)] = told
        elif isinstance(event, FirmwareDeleted):
            facts[facts_of_firmware(event.product_id, event.version)] = None
    facts |= {facts_of_device(one): msgspec.to_builtins(known) for one, known in devices.items()}
    facts |= {facts_of_product(one): msgspec.to_builtins(known) for one, known in products.items()}
    # As JSON has it: lists for tuples.
    return {
        subject: msgspec.json.decode(msgspec.json.encode(fact)) for subject, fact in facts.items()
    }


def event_of(entry: Entry) -> Event:
    return msgspec.convert(entry.event, EVENTS[entry.topic])


async def announcements_wrong(log: Log, nats: Client) -> str:
    """Which events FLEET_EVENTS lacks or holds twice, or with other content; empty if none."""
    announced = [
        (one["position"], one["stream"], one["name"], one["event"])
        for _, events in await read_all(nats, FLEET_STREAM)
        for one in events
    ]
    counted = Counter(position for position, *_ in announced)
    twice = sorted(position for position, count in counted.items() if count > 1)
    expected = {entry.position: entry for entry in log.events()}
    lacking = sorted(expected.keys() - counted.keys())
    if twice or lacking:
        return f"announced twice: {twice[:SHOWN_MAX]}; not announced: {lacking[:SHOWN_MAX]}"
    other = [
        one
        for one in announced
        if one[1:] != (expected[one[0]].stream, expected[one[0]].name, expected[one[0]].event)
    ]
    return "\n".join(map(str, other[:SHOWN_MAX]))
