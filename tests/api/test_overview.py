"""How a product is doing: counted, with the reason of each device that is not on its target."""

from domain.hello import Told
from projections.fleet.overview import Reason
from tests.api.world import World


def test_the_overview_counts_every_device_once(world: World) -> None:
    runner = world.prove(1)
    world.prove(2)
    world.release(1, product_default=True)
    failing, unheard, developed, offline = world.import_devices(4)
    world.put(f"/devices/{developed}", development=True)
    world.handshake(failing, None, told=Told.UPDATE)
    world.fail_update(failing, 1, "no space")
    world.handshake(offline, None, told=Told.UPDATE)
    world.disconnect(offline)
    found = world.get("/overview")
    assert found["devices"] == 6
    assert found["online"] == 3
    assert found["on_target"] == 1
    assert found["failed"] == 1
    assert sum(found["reasons"].values()) == found["devices"]
    assert found["reasons"]["development"] == 1
    assert found["reasons"]["no_handshake"] == 1
    versions = {one["version"]: one["total"] for one in found["by_version"]}
    assert versions == {2: 1, 1: 1, None: 4}
    assert world.device(runner)["firmware_reason"] == "on_target"
    assert world.device(unheard)["firmware_reason"] == "no_handshake"


def test_the_devices_of_each_reason_can_be_listed(world: World) -> None:
    world.prove(1)
    world.release(1, product_default=True)
    stuck, other = world.import_devices(2)
    world.handshake(stuck, None, told=Told.UPDATE)
    for _ in range(3):
        world.fail_update(stuck, 1, "flash is worn out")
    overview = world.get("/overview")
    for reason in Reason:
        listed = world.get("/devices", reason=reason.value)
        assert len(listed["devices"]) == overview["reasons"][reason.value]
        assert listed["meta"]["total"] == overview["reasons"][reason.value]
        assert {one["firmware_reason"] for one in listed["devices"]} <= {reason.value}
    found = world.get("/devices", reason="stuck")["devices"]
    assert [one["id"] for one in found] == [stuck]
    assert found[0]["firmware_update"]["reason"] == "flash is worn out"
    assert found[0]["firmware_update"]["attempt"] == 3
    both = world.get("/devices", reason="no_handshake", deviceId=other)
    assert both["meta"]["total"] == 1


def test_an_empty_product_has_an_overview(world: World) -> None:
    found = world.get("/overview")
    assert found["devices"] == found["online"] == 0
    assert found["by_version"] == []
