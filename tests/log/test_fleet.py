"""Commands carried out on the log: loaded, decided, recorded, found again."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError

from domain.device import Device
from domain.device_commands import ImportDevice, NameDevice
from domain.device_events import (
    DeviceImported,
    DeviceNamed,
    Standing,
)
from domain.device_refusals import DeviceInAnotherProduct
from domain.firmware import FirmwareReleased
from domain.log import history
from domain.log.fleet import BULK_EVENTS_MAX, Contended, Fleet, HistoryMovedOn
from domain.log.recorder import Guard
from domain.model import Event
from domain.product import CreateProduct, ProductCreated, RenameProduct
from domain.recorded import Provenance, Recorded
from tests.log.rows import places, rows

ADA = Provenance(actor="ada", origin="test", request="request-1", cause=7, command="")
NOBODY = Provenance()


def device(number: int) -> str:
    return f"{number:024x}"


def take(number: int = 1, product_id: int = 7000) -> ImportDevice:
    return ImportDevice(device_id=device(number), product_id=product_id)


def name(name: str, number: int = 1) -> NameDevice:
    return NameDevice(device_id=device(number), product_id=7000, name=name)


def imports(first: int, count: int) -> list[Recorded]:
    return [
        Recorded(
            f"device-{device(number)}",
            1,
            DeviceImported(device_id=device(number), product_id=7000),
            ADA,
        )
        for number in range(first, first + count)
    ]


def test_a_command_answers_with_its_events_and_where_they_stand(fleet: Fleet) -> None:
    imported = fleet.execute(take(), ADA)
    named = fleet.execute(name("Kitchen"), ADA)

    assert imported == ([DeviceImported(device_id=device(1), product_id=7000)], 1)
    assert named == ([DeviceNamed(device_id=device(1), name="Kitchen")], 2)
    assert places(fleet.recorder) == [(f"device-{device(1)}", 1), (f"device-{device(1)}", 2)]


def test_a_command_that_changes_nothing_leaves_no_event(fleet: Fleet) -> None:
    fleet.execute(take(), ADA)
    assert fleet.execute(take(), ADA) == ((), None)
    assert len(rows(fleet.recorder)) == 1


def test_a_refused_command_leaves_no_event(fleet: Fleet) -> None:
    fleet.execute(take(), ADA)
    with pytest.raises(DeviceInAnotherProduct):
        fleet.execute(take(product_id=7001), ADA)
    assert len(rows(fleet.recorder)) == 1


def test_a_stream_is_loaded_as_of_now_or_of_any_event(fleet: Fleet) -> None:
    stream = f"device-{device(1)}"
    for command in (take(), name("Kitchen"), name("Attic")):
        fleet.execute(command, ADA)

    now, then = fleet.load(stream), fleet.load(stream, until=2)
    assert (now.version, now.state.name) == (3, "Attic")
    assert (then.version, then.state.name) == (2, "Kitchen")
    assert now.state == Device(product_id=7000, standing=Standing.MEMBER, name="Attic")


def test_what_never_happened_is_loaded_as_what_it_is_at_first(fleet: Fleet) -> None:
    loaded = fleet.load(f"device-{device(9)}")
    assert (loaded.version, loaded.state) == (0, Device())


def test_who_did_it_from_where_and_why_is_kept_with_the_event(fleet: Fleet) -> None:
    fleet.execute(take(), ADA)
    recorded = fleet.mapper.read(*rows(fleet.recorder)[0])

    assert recorded.provenance == ADA
    assert recorded.position == 1
    assert recorded.recorded_at is not None


def test_a_command_said_again_under_its_id_is_answered_as_the_first_time(fleet: Fleet) -> None:
    once = Provenance(actor="ada", command="c1")
    first = fleet.execute(take(), once)
    fleet.execute(name("Kitchen"), NOBODY)

    assert fleet.execute(take(), once) == first
    # Under its id it is not even decided again, though by now a rule would say no.
    assert fleet.execute(take(product_id=7001), once) == first
    assert len(rows(fleet.recorder)) == 2


def test_commands_without_an_id_are_each_one_of_their_own(fleet: Fleet) -> None:
    fleet.execute(take(), NOBODY)
    assert fleet.execute(name("Kitchen"), NOBODY).position == 2
    assert fleet.execute(name("Attic"), NOBODY).position == 3


def test_a_command_decided_on_facts_that_changed_is_not_carried_out(fleet: Fleet) -> None:
    released = FirmwareReleased(product_id=7000, version=1, product_default=True, groups=())
    fleet.record(fleet.load("firmware-7000-1"), [released], ADA)
    guard = Guard(after=0, topics=(FirmwareReleased.TOPIC,), product_id=7000)

    with pytest.raises(HistoryMovedOn) as moved:
        fleet.execute(take(), ADA, guard=guard)
    assert moved.value.position == 1
    fleet.execute(take(), ADA, guard=guard._replace(after=1))
    assert len(rows(fleet.recorder)) == 2


def test_sixteen_writers_of_one_stream_lose_nothing(fleet: Fleet) -> None:
    fleet.execute(take(), ADA)

    def write(writer: int) -> list[tuple[str, int | None]]:
        done: list[tuple[str, int | None]] = []
        for number in range(25):
            called = f"{writer}-{number}"
            try:
                done.append((called, fleet.execute(name(called), ADA).position))
            except Contended:
                continue  # said so, and not carried out
        return done

    with ThreadPoolExecutor(16) as writers:
        acknowledged = [one for done in writers.map(write, range(16)) for one in done]
    recorded = [fleet.mapper.read(*row) for row in rows(fleet.recorder)]
    named = [
        (one.event.name, one.position) for one in recorded if isinstance(one.event, DeviceNamed)
    ]
    assert len(acknowledged) >= 100
    assert sorted(acknowledged) == sorted(named)
    assert [one.stream_version for one in recorded] == list(range(1, len(named) + 2))


def test_many_writers_of_many_streams_are_followed_in_order_and_whole(fleet: Fleet) -> None:
    with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(16) as writing:
        writers = [writing.submit(write_forty_streams, fleet, writer) for writer in range(16)]
        reader = reading.submit(tail, fleet, writers)
        won = [position for writer in writers for position in writer.result()]
        seen = reader.result()

    everything = rows(fleet.recorder)
    assert seen == [row[4] for row in everything]
    assert sorted(won) == seen
    last: dict[str, int] = {}
    for stream, stream_version, *_ in everything:
        assert stream_version == last.get(stream, 0) + 1
        last[stream] = stream_version
    assert len(last) == 40


def write_forty_streams(fleet: Fleet, writer: int) -> list[int]:
    """Two events at a time, to whichever of forty streams the turn has come."""
    won: list[int] = []
    for turn in range(80):
        stream = f"device-{device((writer * 7 + turn * 3) % 40)}"
        events: Sequence[Event] = [
            DeviceNamed(device_id=stream[7:], name=f"{writer}-{turn}"),
            DeviceNamed(device_id=stream[7:], name=f"{writer}-{turn} again"),
        ]
        try:
            last = fleet.record(fleet.load(stream), events, NOBODY)
        except IntegrityError:
            continue
        won += [last - 1, last]
    return won


def tail(fleet: Fleet, writers: Sequence[object]) -> list[int]:
    """Every position, as a follower meets them."""
    seen: list[int] = []
    while True:
        # Looked at before the page is read, or the tail would be lost.
        over = all(writer.done() for writer in writers)  # type: ignore[attr-defined]
        page = fleet.recorder.select_rows(seen[-1] if seen else 0, 50)
        seen += [row[4] for row in page]
        if over and not page:
            return seen


def test_events_of_many_streams_are_recorded_at_once(fleet: Fleet) -> None:
    count = BULK_EVENTS_MAX + 10
    assert fleet.record_many(imports(0, count)) == list(range(1, count + 1))
    assert fleet.load(f"device-{device(count - 1)}").state.product_id == 7000


def test_a_chunk_in_which_a_stream_moved_on_is_left_out_whole(fleet: Fleet) -> None:
    fleet.execute(take(BULK_EVENTS_MAX + 5), ADA)
    with pytest.raises(IntegrityError):
        fleet.record_many(imports(0, BULK_EVENTS_MAX + 10))

    streams = {row[0] for row in rows(fleet.recorder)}
    assert len(streams) == BULK_EVENTS_MAX + 1  # the first chunk, and what was there before
    assert f"device-{device(BULK_EVENTS_MAX)}" not in streams


def test_a_stray_setting_in_the_environment_changes_nothing(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting, value in {
        "ORIGINATOR_ID_TYPE": "uuid",
        "POSTGRES_SCHEMA": "public",
        "FLEET_POSTGRES_DBNAME": "elsewhere",
        "CREATE_TABLE": "yes",
        "COMPRESSOR_TOPIC": "zlib",
    }.items():
        monkeypatch.setenv(setting, value)
    fleet = Fleet(database)
    try:
        assert fleet.execute(take(), ADA).position == 1
    finally:
        fleet.close()
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT to_regclass('public.fleet_events')").fetchone()
    assert row == (None,)


def test_the_history_of_a_device_is_what_was_intended_and_what_it_did(fleet: Fleet) -> None:
    fleet.execute(take(1), ADA)
    fleet.execute(take(2), ADA)
    fleet.execute(name("Kitchen"), ADA)

    told = history.device_history(fleet, device(1))
    assert [one.position for one in told] == [1, 3]
    assert [one.position for one in history.device_history(fleet, device(1), until=2)] == [1]


def test_the_history_of_a_product_is_not_that_of_one_whose_id_begins_alike(fleet: Fleet) -> None:
    for product_id in (700, 7000):
        create = CreateProduct(
            product_id=product_id, platform_id=6, name="Lamp", slug=f"lamp-{product_id}"
        )
        fleet.execute(create, ADA)
        released = FirmwareReleased(
            product_id=product_id, version=1, product_default=True, groups=()
        )
        fleet.record(fleet.load(f"firmware-{product_id}-1"), [released], ADA)
    fleet.execute(RenameProduct(product_id=700, name="Bulb"), ADA)

    told = history.product_history(fleet, 700)
    assert [type(one.event).__name__ for one in told] == [
        "ProductCreated",
        "FirmwareReleased",
        "ProductRenamed",
    ]
    assert [one.position for one in told] == [1, 2, 5]
    assert [one.position for one in history.product_history(fleet, 7000, until=3)] == [3]


def test_a_history_too_long_to_read_at_once_says_so(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for called in ("a", "b", "c"):
        fleet.execute(take(), ADA)
        fleet.execute(name(called), ADA)
    monkeypatch.setattr(history, "HISTORY_EVENTS_MAX", 3)
    assert len(history.device_history(fleet, device(1), until=3)) == 3
    with pytest.raises(history.HistoryTooLong):
        history.device_history(fleet, device(1))


def test_one_event_is_found_by_its_position(fleet: Fleet) -> None:
    create = CreateProduct(product_id=7000, platform_id=6, name="Lamp", slug="lamp")
    fleet.execute(create, ADA)
    found = history.recorded_at(fleet, 1)

    assert found is not None
    assert isinstance(found.event, ProductCreated)
    assert history.recorded_at(fleet, 2) is None
