"""Facts for the edges: always what the log says, and filled again when NATS lost them."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from domain.device_commands import RemoveDevice
from domain.device_events import DeviceImported
from domain.firmware import DeleteFirmware
from domain.group import CreateGroup
from domain.log.history import device_history, product_history
from domain.recorded import Provenance, Recorded
from projections.announcing.announcements import FORMAT, Announcements, Head
from projections.announcing.link import Link, Message
from projections.fleet import catalogue_as_of, device_as_of
from projections.fleet.model import FleetModel
from projections.trouble import NatsTrouble
from tests.projections.ear import connected_link, delete, facts, info
from tests.projections.following import connected, follow, query, run
from tests.projections.world import DEVICES, PRODUCTS, World, device_id, live_on

ONE = DEVICES[0]


@pytest.fixture
def link(nats_url: str) -> Iterator[Link]:
    with connected_link(nats_url) as link:
        yield link


def announce(conninfo: str, link: Link) -> None:
    follow(conninfo, FleetModel())
    run(conninfo, Announcements(link))


def test_an_empty_log_has_a_head_so_that_edges_can_start(
    database: str, nats_url: str, link: Link
) -> None:
    announce(database, link)

    assert facts(nats_url) == {"facts.head": {"position": 0, "log": "", "format": FORMAT}}


def test_devices_products_and_firmware_are_announced_and_closed_by_a_head(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    fleet_world.do(CreateGroup(product_id=7000, group="alpha", name="alpha"))
    fleet_world.upload(1)
    fleet_world.prove(1)
    fleet_world.release(1, "alpha")
    fleet_world.member()

    announce(database, link)

    found = facts(nats_url)
    assert found["facts.product.7000"] == {
        "product_id": 7000, "platform_id": 6, "default": 1, "groups": {"alpha": 1},
    }  # fmt: skip
    assert found[f"facts.device.{ONE}"] == {"product_id": 7000}
    assert found["facts.firmware.7000.1"] == {"sha256": f"{1:064x}", "size_bytes": 1001}
    assert found["facts.head"]["position"] == 6
    assert list(found)[-1] == "facts.head"


def test_a_deleted_version_is_announced_as_gone(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    fleet_world.upload(1)
    announce(database, link)
    fleet_world.do(DeleteFirmware(product_id=7000, version=1))

    announce(database, link)

    assert facts(nats_url)["facts.firmware.7000.1"] is None


def test_only_what_changed_is_announced_again(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    for one in DEVICES:
        fleet_world.member(one)
    announce(database, link)
    before = info(nats_url, "FACTS").state.last_seq
    fleet_world.do(RemoveDevice(device_id=ONE, product_id=7000))

    announce(database, link)

    assert info(nats_url, "FACTS").state.last_seq == before + 2  # one device, and the head
    assert facts(nats_url)[f"facts.device.{ONE}"] == {"removed_from": [7000]}


def test_where_no_fact_changed_the_head_moves_on_all_the_same(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.product()
    fleet_world.member()
    announce(database, link)
    before = info(nats_url, "FACTS").state.last_seq
    fleet_world.hello(ONE, 1)

    announce(database, link)

    assert facts(nats_url)["facts.head"]["position"] == fleet_world.position()
    assert info(nats_url, "FACTS").state.last_seq == before + 1


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happened_the_stream_says_what_the_events_lead_to(
    database: str, nats_url: str, link: Link, fleet_world: World, seed: int
) -> None:
    random = Random(400 + seed)
    announcements = Announcements(link)
    for _ in range(4):
        live_on(fleet_world, random, 30)
        follow(database, FleetModel(page_events_max=random.choice([1, 4, 5000])))
        run(database, announcements)

    assert facts_by_subject(nats_url) == expected_facts(fleet_world)


def facts_by_subject(url: str) -> dict[str, Any]:
    return {name: said for name, said in facts(url).items() if name.split(".")[1] != "head"}


def expected_facts(world: World) -> dict[str, Any]:
    expected: dict[str, Any] = {}
    for one in DEVICES:
        row = device_as_of(device_history(world.fleet, one))
        if row is not None and row.facts_position:
            expected[f"facts.device.{one}"] = msgspec.to_builtins(row.facts())
    for product_id in PRODUCTS:
        rows = catalogue_as_of(product_history(world.fleet, product_id))
        for product in rows.products.values():
            expected[f"facts.product.{product_id}"] = msgspec.to_builtins(product.facts())
        for firmware in rows.firmware.values():
            said = {"sha256": firmware.sha256, "size_bytes": firmware.size_bytes}
            name = f"facts.firmware.{product_id}.{firmware.version}"
            expected[name] = None if firmware.deleted else said
    return msgspec.json.decode(msgspec.json.encode(expected))


def test_a_nats_that_lost_everything_is_filled_again(
    database: str,
    nats_url: str,
    link: Link,
    fleet_world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.announcing.announcements.STREAM_CHECK_S", 0.0)
    live_on(fleet_world, Random(1), 120)
    announcements = Announcements(link)
    with connected(database) as connection:
        follow(database, FleetModel())
        announcements.begin(connection)
        while announcements.step(connection):
            pass
        before = facts(nats_url)
        delete(nats_url, "FACTS")

        while announcements.step(connection):
            pass

    after = facts(nats_url)
    assert after == before
    assert len(after) > 3


def test_another_process_goes_on_where_the_last_one_was(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    live_on(fleet_world, Random(2), 60)
    announce(database, link)
    before = info(nats_url, "FACTS").state.last_seq

    announce(database, link)

    assert info(nats_url, "FACTS").state.last_seq == before


def test_the_facts_of_another_log_are_not_mixed_with_ours(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    elsewhere = b'{"position": 1000000, "log": "another"}'
    announce(database, link)
    link.send([Message("facts.device.stray", b"{}"), Message("facts.head", elsewhere)])
    fleet_world.member()

    announce(database, link)

    assert set(facts(nats_url)) == {f"facts.device.{ONE}", "facts.head"}
    assert facts(nats_url)["facts.head"]["position"] == 1


def test_facts_of_another_format_are_announced_anew(
    database: str, nats_url: str, link: Link, fleet_world: World
) -> None:
    fleet_world.member()
    announce(database, link)
    of_old = Head(position=1, log=facts(nats_url)["facts.head"]["log"])
    link.send(
        [
            Message(f"facts.device.{ONE}", b'{"of": "old"}'),
            Message("facts.head", msgspec.json.encode(of_old)),
        ]
    )

    announce(database, link)

    assert facts(nats_url)[f"facts.device.{ONE}"] == {"product_id": 7000}


def test_a_batch_of_which_one_message_was_lost_is_sent_again(
    database: str, nats_url: str, link: Link, fleet_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_many(fleet_world, 2500)
    client = link._client
    assert client is not None
    publish, lost = client.publish, device_id(1500)

    async def lossy(subject: str, *rest: Any, **more: Any) -> None:
        nonlocal lost
        if subject.endswith(lost):
            lost = "nothing more"
        else:
            await publish(subject, *rest, **more)

    monkeypatch.setattr(client, "publish", lossy)

    announce(database, link)

    found = facts(nats_url)
    assert lost == "nothing more"
    assert sum(name.startswith("facts.device.0") for name in found) == 2500
    assert found["facts.head"]["position"] == 2500


def test_a_batch_that_somebody_wrote_before_is_sent_again(
    database: str, nats_url: str, link: Link, fleet_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_many(fleet_world, 2500)
    store, stored = link.store, []

    def disturbed(messages: Sequence[Message], last_sequence: int) -> int:
        stored.append(len(messages))
        if len(stored) == 2:
            link.send([Message("facts.device.stray", b"{}")])
        return store(messages, last_sequence)

    monkeypatch.setattr(link, "store", disturbed)

    announce(database, link)

    assert stored == [999, 999, 999, 503]  # the second one twice
    found = facts(nats_url)
    assert sum(name.startswith("facts.device.0") for name in found) == 2500
    assert found["facts.head"]["position"] == 2500


def import_many(world: World, devices: int) -> None:
    world.fleet.record_many(
        [
            Recorded(
                f"device-{device_id(number)}",
                1,
                DeviceImported(device_id=device_id(number), product_id=7000),
                Provenance(),
            )
            for number in range(devices)
        ]
    )


def test_while_nats_is_away_an_announcement_is_trouble_that_passes(
    database: str, fleet_world: World
) -> None:
    fleet_world.member()
    link = Link("nats://127.0.0.1:1", "test")  # nobody listens there
    try:
        with pytest.raises(NatsTrouble):
            announce(database, link)
    finally:
        link.close()
    assert query(database, "SELECT count(*) FROM fleet.device") == [(1,)]
