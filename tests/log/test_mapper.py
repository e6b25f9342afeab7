"""Stored events: their names, their JSON, older formats of them, and what is none of ours."""

import importlib
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from eventsourcing.persistence import MapperDeserialisationError

from domain.device_events import DeviceNamed
from domain.log.mapper import RecordedMapper, UnknownEvent, UnreadableEvent
from domain.model import Event
from domain.recorded import Provenance, Recorded
from domain.upcasting import Upcaster, upcast


class KettleBoiled(Event):
    """A third format: the first said `temp`, the second was called KettleHeated and took °F."""

    FORMAT: ClassVar[int] = 3

    celsius: int
    place: str


# Events of the tests only: the registry of a deployment is made before and does not know them.
FIRST, SECOND = "KettleHot.1", "KettleHeated.2"
STEPS: dict[str, Upcaster] = {
    FIRST: (SECOND, lambda event: {"fahrenheit": event["temp"], "place": "kitchen"}),
    SECOND: (
        KettleBoiled.TOPIC,
        lambda event: {"celsius": (event["fahrenheit"] - 32) * 5 // 9, "place": event["place"]},
    ),
}


@pytest.fixture
def mapper() -> RecordedMapper:
    return RecordedMapper(events={KettleBoiled.TOPIC: KettleBoiled}, upcasters=STEPS)


def test_a_stored_name_is_the_bare_name_and_the_format() -> None:
    assert DeviceNamed.TOPIC == "DeviceNamed.1"
    assert KettleBoiled.TOPIC == "KettleBoiled.3"


def test_an_event_is_stored_as_json_with_its_provenance_beside_it() -> None:
    event = DeviceNamed(device_id="e" * 24, name="Küche")
    provenance = Provenance("ada", "api", "request-1", 41, "command-1")
    stored = RecordedMapper().to_stored_event(Recorded("device-1", 7, event, provenance))

    assert (stored.originator_id, stored.originator_version) == ("device-1", 7)
    assert stored.topic == "DeviceNamed.1"
    assert stored.state.decode() == (
        '{"event":{"device_id":"eeeeeeeeeeeeeeeeeeeeeeee","name":"Küche"},"actor":"ada",'
        '"origin":"api","request":"request-1","cause":41,"command":"command-1"}'
    )
    assert RecordedMapper().to_domain_event(stored) == Recorded("device-1", 7, event, provenance)


def test_an_older_format_is_read_through_every_step_to_the_newest(mapper: RecordedMapper) -> None:
    first = mapper.read("kettle-1", 1, FIRST, b'{"event":{"temp":212},"actor":"ada","cause":4}')
    second = mapper.read("kettle-1", 2, SECOND, b'{"event":{"fahrenheit":32,"place":"attic"}}')

    assert first.event == KettleBoiled(celsius=100, place="kitchen")
    assert first.provenance == Provenance("ada", cause=4)
    assert second.event == KettleBoiled(celsius=0, place="attic")
    assert mapper.event(FIRST, b'{"event":{"temp":212}}') == first.event


def test_the_newest_format_takes_no_step(mapper: RecordedMapper) -> None:
    stored = mapper.to_stored_event(
        Recorded("kettle-1", 1, KettleBoiled(celsius=99, place="attic"), Provenance())
    )

    assert stored.topic == "KettleBoiled.3"
    assert mapper.event(stored.topic, stored.state) == KettleBoiled(celsius=99, place="attic")
    assert upcast(stored.topic, {"celsius": 99}, STEPS) == (stored.topic, {"celsius": 99})


def test_an_older_format_that_its_step_does_not_fit_names_its_place(
    mapper: RecordedMapper,
) -> None:
    with pytest.raises(UnreadableEvent, match=r"kettle-1/9 KettleHeated\.2: .*place"):
        mapper.read("kettle-1", 9, SECOND, b'{"event":{"fahrenheit":32,"place":7}}')


@pytest.mark.parametrize("lacking", [b'{"event":{}}', b'{"event":{"fahrenheit":"hot"}}'])
def test_a_step_that_breaks_names_its_place(mapper: RecordedMapper, lacking: bytes) -> None:
    with pytest.raises(UnreadableEvent, match=r"kettle-1/9 KettleHeated\.2: "):
        mapper.read("kettle-1", 9, SECOND, lacking)


def test_an_unknown_name_is_said_with_its_place() -> None:
    with pytest.raises(UnknownEvent, match=r"device-1/3: no event is named DeviceExploded\.1"):
        RecordedMapper().read("device-1", 3, "DeviceExploded.1", b'{"event":{}}')


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b'{"event":{"device_id":"e"}}', "missing required field `name`"),
        (b'{"event":{"device_id":"e","name":7}}', r"\$\.event\.name"),
        (b'{"event":[]}', "Expected `object`"),
        (b"\xff\xfe", "malformed"),
        (b'{"event":{"device_id":"e","name":"n"},"cause":"x"}', r"\$\.cause"),
    ],
)
def test_a_malformed_state_is_said_with_its_place(state: bytes, wrong: str) -> None:
    with pytest.raises(UnreadableEvent, match=rf"device-1/3 DeviceNamed\.1: .*{wrong}"):
        RecordedMapper().read("device-1", 3, "DeviceNamed.1", state)


def test_trouble_with_a_stored_event_is_the_librarys_own_kind_of_trouble() -> None:
    assert issubclass(UnknownEvent, MapperDeserialisationError)
    assert issubclass(UnreadableEvent, MapperDeserialisationError)


def test_a_stored_name_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap_of_a_stored_name.py").write_text("nothing = 1")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()

    for topic in ("trap_of_a_stored_name:nothing", "this:nothing"):
        sys.modules.pop("this", None)
        with pytest.raises(UnknownEvent):
            RecordedMapper().read("device-1", 1, topic, b'{"event":{}}')

    assert "trap_of_a_stored_name" not in sys.modules
    assert "this" not in sys.modules
