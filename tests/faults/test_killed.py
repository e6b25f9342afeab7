"""Everything was killed at random moments under load. Nothing that was promised is lost, nothing is
there twice, and everything works again."""

import asyncio
from collections import Counter

import pytest

from domain.subjects import DEVICE_EVENTS_STREAM, JOURNAL_STREAM
from tests.faults.battering import EDGES
from tests.faults.log import grouped, promise_broken
from tests.faults.nats import last_sequence
from tests.faults.settling import (
    shown_devices,
    until_announced,
    until_answered_anew,
    until_followed,
)
from tests.faults.world import World

pytestmark = pytest.mark.asyncio(loop_scope="package")

READERS = {"journal": JOURNAL_STREAM, "intake": DEVICE_EVENTS_STREAM}


async def test_every_acknowledged_command_is_in_the_log_exactly_once(battered: World) -> None:
    by_request = grouped(battered.log.events(), lambda entry: entry.request)

    for command in battered.acknowledged:
        assert promise_broken(command, by_request[command.key]) == ""


async def test_the_load_was_a_load(battered: World) -> None:
    """Else the others would show nothing. A slow machine does a fifth of what a quick one does."""
    again = [command for command in battered.acknowledged if command.attempts > 1]
    assert len(battered.acknowledged) > 40
    assert again
    heard = [device.heard for device in battered.devices.values()]
    assert sum(len(one.stored) for one in heard) > 20
    assert sum(one.delivered.total() for one in heard) > 3
    assert sum(len(one.failed) for one in heard) > 0


async def test_each_command_has_one_command_id_and_wrote_to_a_stream_at_one_time(
    battered: World,
) -> None:
    calls = battered.log.calls()
    for command in battered.acknowledged:
        assert calls[command.key][1] in {200, 201, 204}, command
    for request, entries in grouped(battered.log.events(), lambda one: one.request).items():
        if request not in calls:
            continue
        assert {entry.command for entry in entries} == {calls[request][0]}, entries
        for written in grouped(entries, lambda one: one.stream).values():
            places = [entry.place for entry in written]
            assert places == [*range(places[0], places[0] + len(places))], written


async def test_every_stream_is_dense(battered: World) -> None:
    checked = await asyncio.to_thread(battered.cloud.run, "verify", "streams")
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_every_decision_follows_from_the_events_before_it(battered: World) -> None:
    checked = await asyncio.to_thread(battered.cloud.run, "verify", "decisions")
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_every_answer_that_a_device_got_is_in_the_log(battered: World) -> None:
    handshakes = battered.log.events("DeviceHandshook")
    recorded = grouped(handshakes, lambda entry: str(entry.event["device_id"]))
    for device in battered.devices.values():
        known = Counter(
            (
                entry.event["told"]["told"],
                entry.event["told"].get("version"),
                entry.event["based_on"],
            )
            for entry in recorded[device.device_id]
        )
        assert device.heard.answers <= known, device.heard.answers - known


async def test_no_handshake_is_in_the_log_twice(battered: World) -> None:
    handshakes = battered.log.events("DeviceHandshook")
    counted = Counter((entry.stream, entry.event["at"]) for entry in handshakes)
    assert [handshake for handshake, count in counted.items() if count > 1] == []


async def test_every_acknowledged_report_of_an_update_is_in_the_log(battered: World) -> None:
    def versions(name: str) -> dict[str, Counter[int]]:
        streams = grouped(battered.log.events(name), lambda entry: entry.stream)
        return {
            stream: Counter(entry.event["version"] for entry in entries)
            for stream, entries in streams.items()
        }

    started, delivered = versions("UpdateStarted"), versions("UpdateDelivered")
    failed = Counter(e.event["reason"] for e in battered.log.events("FirmwareUpdateFailed"))
    for device in battered.devices.values():
        stream = f"session-{device.device_id}"
        assert device.heard.started <= {*started.get(stream, Counter())}, stream
        assert device.heard.delivered <= delivered.get(stream, Counter()), stream
        assert {reason: failed[reason] for reason in device.heard.failed} == dict.fromkeys(
            device.heard.failed, 1
        )
    assert {n for reason, n in failed.items() if ": fault " in reason} <= {1}


async def test_acknowledged_device_events_are_stored_and_none_is_stored_twice(
    battered: World,
) -> None:
    stored = battered.log.stored_device_events()
    for device in battered.devices.values():
        assert device.heard.refused == []
        assert device.heard.stored <= stored.keys(), device.heard.stored - stored.keys()
        assert stored.keys() & {*device.published} >= device.heard.stored
    assert [event for event, count in stored.items() if count > 1] == []


async def test_what_follows_from_events_followed_once(battered: World) -> None:
    proven = Counter(entry.stream for entry in battered.log.events("FirmwareProven"))
    billed = Counter(entry.stream for entry in battered.log.events("BillingStarted"))
    assert set(proven.values()) == {1}
    assert billed == Counter(f"device-{device_id}" for device_id in battered.devices)


async def test_programs_find_everything_as_they_left_it(battered: World) -> None:
    shown = {one["id"]: one for one in await shown_devices(battered)}
    reply = await battered.operator.read(f"{battered.path}/groups")
    groups = {one["name"]: one["key"] for one in reply["groups"]}
    for program in battered.programs:
        assert program.imported <= shown.keys()
        assert program.groups.items() <= groups.items()
        for device in program.devices:
            found = shown[device.id]
            assert found["name"] == device.name, found
            assert found["notes"] == device.notes, found
            assert found["desired_firmware_version"] == device.locked, found
            assert set(found["groups"]) == device.groups, found


async def test_nothing_is_stuck_in_a_queue(battered: World) -> None:
    checkpoints = battered.log.checkpoints()
    for reader, stream in READERS.items():
        assert checkpoints[reader] == await last_sequence(battered.nats, stream)


async def test_no_follower_has_stopped(battered: World) -> None:
    assert battered.log.stopped_followers() == {}


async def test_one_connection_is_known_of_each_device(battered: World) -> None:
    async def others() -> str:
        known = battered.log.open_connections()
        return "" if known == dict.fromkeys(battered.devices, 1) else f"{known}"

    await battered.until(others, "each device has one connection")


async def test_every_edge_answers_again(battered: World) -> None:
    head = battered.log.head()
    await until_answered_anew(battered)
    await until_followed(battered)

    handshakes = battered.log.events("DeviceHandshook")
    answering = {one.event["edge"] for one in handshakes if one.position > head}
    assert len(answering) == EDGES


async def test_nats_holds_the_facts_of_the_log_and_every_event_once(battered: World) -> None:
    await until_announced(battered)


@pytest.mark.parametrize("model", ["fleet", "history"])
async def test_read_models_are_what_the_log_makes_of_them(battered: World, model: str) -> None:
    rebuilt = await asyncio.to_thread(battered.cloud.run, "rebuild", model)
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
