"""Firmware: uploaded if its bytes are what is said, listed with where it runs, served unchanged."""

import hashlib
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from domain.names import FIRMWARE_BYTES_MAX
from rollcall.sample_firmware import build
from tests.api.serving import Served
from tests.api.world import PLATFORM, World
from tests.binaries import altered


def upload(world: World, content: bytes, **fields: str) -> httpx.Response:
    sent = {"version": "1", "title": "first"} | fields
    files = {"file": ("firmware.bin", content)}
    return world.api.post(world.path + "/firmware", data=sent, files=files)


def test_a_version_is_uploaded_and_shown(world: World) -> None:
    content = build(world.id, 1, PLATFORM)
    answer = upload(world, content, description="d", mandatory="true")
    assert answer.status_code == 201
    firmware = answer.json()
    assert (
        firmware.items()
        >= {
            "version": 1,
            "title": "first",
            "description": "d",
            "mandatory": True,
            "size": len(content),
            "name": "firmware.bin",
            "product_id": world.id,
            "product_default": False,
            "current": False,
            "groups": [],
            "intelligent": False,
            "device_count": 0,
            "proven_by": None,
            "uploaded_by": {"username": "admin"},
        }.items()
    )
    assert len(firmware["_id"]) == 24
    assert world.get("/firmware/1") == firmware
    assert world.get("/firmware") == [firmware]


def test_newer_binaries_carry_the_platform_as_product(world: World) -> None:
    assert upload(world, build(PLATFORM, 1, PLATFORM, extension=True)).status_code == 201


@pytest.mark.parametrize("part", ["file", "binary", "anything"])
def test_the_part_may_have_any_name_and_come_in_chunks(world: World, part: str) -> None:
    body = httpx.Request(
        "POST",
        "http://x",
        data={"version": "1", "title": "t"},
        files={part: ("dir/app.bin", build(world.id, 1, PLATFORM))},
    )
    whole = body.read()
    pieces = (whole[start : start + 100] for start in range(0, len(whole), 100))
    answer = world.api.post(
        world.path + "/firmware",
        content=pieces,
        headers={"content-type": body.headers["content-type"].replace("; b", ";b")},
    )
    assert answer.status_code == 201
    assert answer.json()["name"] == "app.bin"


def test_what_the_binary_says_is_named_beside_what_was_typed(world: World) -> None:
    answer = upload(world, build(world.id, 2, PLATFORM), version="3")
    assert answer.status_code == 400
    assert answer.json()["field"] == "version"
    assert answer.json()["details"] == {"found": 2, "version": 3}
    assert "says 2" in answer.json()["error_description"]
    assert "says 3" in answer.json()["error_description"]


def test_a_binary_of_another_product_is_refused_naming_both(world: World) -> None:
    error = upload(world, build(world.id + 1, 1, PLATFORM)).json()
    assert error["error"] == "product_wrong"
    assert str(world.id + 1) in error["error_description"]
    assert str(world.id) in error["error_description"]


def test_a_binary_for_another_platform_is_refused_naming_both(world: World) -> None:
    error = upload(world, build(world.id, 1, 13)).json()
    assert (error["error"], error["field"]) == ("platform_wrong", "file")
    assert "platform 13 (boron)" in error["error_description"]
    assert f"platform {PLATFORM} (photon)" in error["error_description"]


def test_a_damaged_binary_is_refused(world: World) -> None:
    content = bytearray(build(world.id, 1, PLATFORM))
    content[100] ^= 1
    assert upload(world, bytes(content)).json()["error"] == "crc_wrong"
    assert upload(world, b"short").json()["error"] == "binary_too_short"
    other = altered(build(world.id, 1, PLATFORM), function=4)
    assert upload(world, other).json()["error"] == "not_an_application"
    assert world.get("/firmware") == []


def test_a_refused_binary_is_not_kept(world: World, served: Served) -> None:
    content = build(world.id, 1, PLATFORM, seed=4711)
    upload(world, build(world.id, 2, PLATFORM), version="2")
    assert upload(world, content).json()["error"] == "version_not_higher"
    with psycopg.connect(served.database) as connection:
        found = connection.execute(
            "SELECT count(*) FROM content.firmware WHERE sha256 = %s",
            [hashlib.sha256(content).digest()],
        ).fetchone()
    assert found == (0,)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"version": "x"}, "version"),
        ({"version": "0"}, "version"),
        ({"version": "65535"}, "version"),
        ({"title": ""}, "title"),
        ({"title": "t" * 129}, "title"),
        ({"mandatory": "perhaps"}, "mandatory"),
        ({"description": "d" * 4_097}, "description"),
    ],
)
def test_a_field_that_cannot_be_is_named(world: World, fields: dict[str, str], field: str) -> None:
    answer = upload(world, build(world.id, 1, PLATFORM), **fields)
    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_a_file_there_must_be_and_one_only(world: World) -> None:
    sent = {"version": "1", "title": "t"}
    path = world.path + "/firmware"
    none = world.api.post(path, data=sent)
    assert (none.status_code, none.json()["field"]) == (400, "file")
    content = build(world.id, 1, PLATFORM)
    two = [("file", ("a.bin", content)), ("file2", ("b.bin", content))]
    both = world.api.post(path, data=sent, files=two)
    assert (both.status_code, both.json()["field"]) == (400, "file")


def test_a_version_is_higher_than_all_that_the_product_has(world: World) -> None:
    world.upload(2)
    error = upload(world, build(world.id, 1, PLATFORM)).json()
    assert error["details"] == {"version": 1, "highest": 2}
    again = upload(world, build(world.id, 2, PLATFORM, seed=9), version="2")
    assert again.json()["error"] == "firmware_exists"


def test_of_many_uploads_at_once_the_highest_versions_stay_in_order(world: World) -> None:
    def send(version: int) -> int:
        content = build(world.id, version, PLATFORM)
        return upload(world, content, version=str(version)).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(send, range(1, 7)))
    assert set(statuses) <= {201, 400}
    events = world.get("/history", name="FirmwareUploaded", order="asc")["events"]
    versions = [event["event"]["version"] for event in events]
    assert versions == sorted(versions)
    assert len(versions) == statuses.count(201)


def test_a_deleted_number_is_used_again(world: World) -> None:
    world.upload(1)
    assert world.api.delete(world.path + "/firmware/1").status_code == 204
    world.refused("GET", "/firmware/1", 404)
    assert upload(world, build(world.id, 1, PLATFORM, seed=5)).status_code == 201


def test_a_version_that_was_released_is_not_deleted(world: World) -> None:
    world.prove(1)
    world.release(1, product_default=True)
    assert world.refused("DELETE", "/firmware/1", 409)["error"] == "firmware_was_released"
    world.release(1)
    assert world.refused("DELETE", "/firmware/1", 409)["error"] == "firmware_was_released"


def test_a_version_that_devices_are_locked_to_is_not_deleted(world: World) -> None:
    device_id = world.import_devices()[0]
    world.upload(1)
    world.put(f"/devices/{device_id}", desired_firmware_version=1)
    error = world.refused("DELETE", "/firmware/1", 409)
    assert error["details"] == {"version": 1, "devices": 1}
    world.put(f"/devices/{device_id}", desired_firmware_version=None)
    assert world.api.delete(world.path + "/firmware/1").status_code == 204


def test_title_description_and_mark_are_edited_and_nothing_else(world: World) -> None:
    before = world.upload(1)
    after = world.put("/firmware/1", title="t2", description="d2", mandatory=True, version=9)
    assert (after["title"], after["description"], after["mandatory"]) == ("t2", "d2", True)
    assert (after["version"], after["sha256"]) == (1, before["sha256"])
    assert world.refused("PUT", "/firmware/1", 400, json={})["error"] == "invalid_request"
    assert world.refused("PUT", "/firmware/1", 400, json={"title": 1})["field"] == "title"


@pytest.mark.parametrize("version", ["9", "0", "65535", "x", "99999999999", "²", "release"])
def test_a_version_that_is_not_there_is_not_found(world: World, version: str) -> None:
    world.refused("GET", f"/firmware/{version}/binary", 404)
    if version != "release":
        world.refused("GET", f"/firmware/{version}", 404)
        world.refused("PUT", f"/firmware/{version}", 404, json={"title": "t"})
        world.refused("DELETE", f"/firmware/{version}", 404)


def test_the_bytes_are_served_as_they_were_uploaded(world: World) -> None:
    content = build(world.id, 1, PLATFORM, size_bytes=700_000)
    sha256 = upload(world, content).json()["sha256"]
    answer = world.api.get(world.path + "/firmware/1/binary")
    assert answer.content == content
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["etag"] == f'"{sha256}"'
    assert 'filename="firmware.bin"' in answer.headers["content-disposition"]
    head = world.api.head(world.path + "/firmware/1/binary")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(content))


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=262100-262200", 262_100, 262_201),
        ("bytes=699999-", 699_999, 700_000),
        ("bytes=-10", 699_990, 700_000),
        ("bytes=699000-9999999", 699_000, 700_000),
    ],
)
def test_a_range_is_served(world: World, asked: str, start: int, end: int) -> None:
    content = build(world.id, 1, PLATFORM, size_bytes=700_000)
    upload(world, content)
    answer = world.api.get(world.path + "/firmware/1/binary", headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == content[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/700000"


def test_a_range_that_is_not_there_is_said(world: World) -> None:
    upload(world, build(world.id, 1, PLATFORM))
    path = world.path + "/firmware/1/binary"
    for asked in ("bytes=4096-", "bytes=9-3", "bytes=-0"):
        answer = world.api.get(path, headers={"Range": asked})
        assert answer.status_code == 416
        assert answer.headers["content-range"] == "bytes */4096"
    for asked in ("bytes=0-1,4-5", "lines=0-1", "bytes=-"):
        assert world.api.get(path, headers={"Range": asked}).status_code == 200


def test_what_a_client_has_is_not_sent_again(world: World) -> None:
    upload(world, build(world.id, 1, PLATFORM))
    path = world.path + "/firmware/1/binary"
    etag = world.api.get(path).headers["etag"]
    assert world.api.get(path, headers={"If-None-Match": etag}).status_code == 304
    stale = {"Range": "bytes=0-9", "If-Range": '"other"'}
    assert world.api.get(path, headers=stale).status_code == 200


def zipped(**entries: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as bundle:
        for name, content in entries.items():
            bundle.writestr(name.replace("__", "."), content)
    return packed.getvalue()


def test_an_application_may_come_in_a_zip(world: World) -> None:
    application = build(world.id, 1, PLATFORM)
    assert upload(world, zipped(app__bin=application)).status_code == 201
    assert world.api.get(world.path + "/firmware/1/binary").content == application
    error = upload(world, zipped(readme__txt=b"x"), version="2").json()
    assert error["error"] == "bundle_entry_unexpected"


def test_a_binary_may_be_as_large_as_the_limit_and_no_larger(world: World) -> None:
    largest = build(world.id, 1, PLATFORM, size_bytes=FIRMWARE_BYTES_MAX)
    assert upload(world, largest).status_code == 201
    error = upload(world, largest + bytes(1), version="2")
    assert (error.status_code, error.json()["error"]) == (400, "binary_too_large")
    beyond = upload(world, bytes(FIRMWARE_BYTES_MAX + 300_000), version="2")
    assert (beyond.status_code, beyond.json()["error"]) == (413, "too_large")


def test_firmware_is_listed_with_where_it_runs(world: World) -> None:
    world.upload(1)
    world.upload(2)
    for device_id, version in zip(world.import_devices(3), (1, 1, 2), strict=True):
        world.handshake(device_id, version)
    counts = {one["version"]: one["device_count"] for one in world.get("/firmware")}
    assert counts == {2: 1, 1: 2}


def test_firmware_is_shown_as_of_a_position(world: World) -> None:
    world.upload(1)
    uploaded = world.head()
    world.put("/firmware/1", title="later")
    assert world.get("/firmware/1", as_of=uploaded)["title"] == "version 1"
    assert world.get("/firmware/1", as_of=world.head())["title"] == "later"
    world.refused("GET", "/firmware/1", 404, params={"as_of": uploaded - 1})
