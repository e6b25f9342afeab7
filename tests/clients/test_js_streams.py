"""The library's event streams, end to end: connected, heard, broken off, connected again."""

import os
import secrets
import signal

import pytest

from tests.clients.field import Field, new_id
from tests.clients.particle_stream import opened
from tests.clients.people import People, Person
from tests.cloud import Cloud


@pytest.fixture
def owner(people: People) -> Person:
    return people.sign_up()


def test_events_are_heard_as_they_are_published(owner: Person) -> None:
    """Among one's own, by a name with a slash and letters that are cut in two."""
    name = f"räume/{secrets.token_hex(4)}"
    with opened(owner.js, "getEventStream", deviceId="mine", name=name) as stream:
        assert stream.next() == ("connected", None)
        owner.js.call("publishEvent", name="something else", data="no")
        owner.js.call("publishEvent", name=f"{name}/door", data="grün 😀")
        event = stream.event()
    assert event.pop("published_at").endswith("Z")
    assert event == {"name": f"{name}/door", "data": "grün 😀", "ttl": 60, "coreid": "api"}


def test_a_device_is_heard_by_its_owner_and_in_its_product(owner: Person, devices: Field) -> None:
    product, device_id = owner.create_product()["id"], new_id()
    owner.js.call("addDeviceToProduct", product=product, deviceId=device_id)
    with (
        opened(owner.js, "getEventStream", product=product) as of_product,
        opened(owner.js, "getEventStream", product=product, deviceId=device_id) as of_device,
    ):
        assert [one.next()[0] for one in (of_product, of_device)] == ["connected"] * 2
        told = {"name": "opened", "product": product, "data": "door"}
        owner.js.call("publishEvent", **told)
        owner.js.call(
            "post",
            uri=f"/v1/products/{product}/events",
            data={"name": "temp", "data": "5", "as_device_id": device_id},
        )
        first, second, alone = of_product.event(), of_product.event(), of_device.event()
    assert (first["name"], first["coreid"], first["productID"]) == ("opened", "api", product)
    assert (second["name"], second["coreid"], second["public"]) == ("temp", device_id, False)
    assert alone == second


def test_who_is_not_let_in_is_told_why(owner: Person) -> None:
    with opened(owner.js.having(auth="f" * 40), "getEventStream", deviceId="mine") as stream:
        what, said = stream.next()
    assert (what, said["status"]) == ("refused", 401)
    assert "The access token provided is invalid" in said["sentence"]
    with opened(owner.js, "getEventStream", name="") as stream:
        what, said = stream.next()
    assert (what, said["status"]) == ("refused", 400)
    assert "event prefix filter is required" in said["sentence"]


def test_a_stream_outlives_the_server(rollcall: Cloud, owner: Person) -> None:
    """It says that it is disconnected, tries again by itself, and hears what comes then."""
    with opened(owner.js, "getEventStream", deviceId="mine") as stream:
        assert stream.next()[0] == "connected"
        os.kill(rollcall.status["pids"]["api"], signal.SIGTERM)
        happened = stream.until("reconnect-success")
        assert happened[0] == "disconnect"
        assert set(happened[1:]) == {"reconnect", "reconnect-success"}
        rollcall.wait_ready()
        owner.js.call("publishEvent", name="after", data="all")
        assert stream.event()["name"] == "after"


def test_a_stream_outlives_a_server_that_falls_silent(rollcall: Cloud, owner: Person) -> None:
    """After 15 seconds without a byte the library hangs up by itself, and tries again."""
    with opened(owner.js, "getEventStream", deviceId="mine") as stream:
        assert stream.next()[0] == "connected"
        api = rollcall.status["pids"]["api"]
        os.kill(api, signal.SIGSTOP)
        try:
            assert stream.until("reconnect") == ["disconnect", "reconnect"]
        finally:
            os.kill(api, signal.SIGCONT)
        assert stream.until("reconnect-success")[-1] == "reconnect-success"
        owner.js.call("publishEvent", name="after", data="once")
        owner.js.call("publishEvent", name="end")
        assert [stream.event()["name"], stream.event()["name"]] == ["after", "end"]
