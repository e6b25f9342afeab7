"""The story, told once with a thousand devices; what it claims is then looked up without it."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from rollcall.sample_firmware import build
from rollcall.state import CHECKOUT
from tests.story.told import DEMO, Told, rollcall

DEVICES = 1_000
STORY_TIMEOUT_S = 240

pytestmark = pytest.mark.timeout(STORY_TIMEOUT_S + 60)


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """The cloud outlives the story, so that it can be asked afterwards; the end stops it."""
    done = subprocess.run(
        [*DEMO, "--devices", str(DEVICES), "--json", "--keep"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=STORY_TIMEOUT_S,
    )
    assert done.stdout, done.stderr
    told = Told(json.loads(done.stdout), done.stderr)
    try:
        yield told
    finally:
        told.close()
        stopped = rollcall(told, "stop")
        assert stopped.returncode == 0, stopped.stderr
        shutil.rmtree(told.state.path.parent)


def test_all_is_as_told(told: Told) -> None:
    assert told.result["as_told"], told.text
    assert "All as told, in " in told.text


def test_a_thousand_devices_are_imported_and_three_lines_are_not(told: Told) -> None:
    assert told.steps["import_devices"]["imported"] == DEVICES
    assert len(told.steps["import_devices"]["invalid"]) == 3
    events = "SELECT count(*) FROM log.fleet_events WHERE topic LIKE 'DeviceImported.%%'"
    # The neighbour's, the stranger's approval, and the latecomer's.
    assert told.sql(events) == [(DEVICES + 3,)]


def test_uploaded_bytes_are_kept_unchanged(told: Told) -> None:
    for version, digest in told.steps["upload_two_versions"]["sha256"].items():
        bytes_kept = told.http.get(
            f"/v1/products/{told.product_id}/firmware/{version}/binary"
        ).content
        assert hashlib.sha256(bytes_kept).hexdigest() == digest
        assert bytes_kept == build(
            told.product_id, int(version), 6, len(bytes_kept), seed=int(version)
        )


def test_refusals_name_what_was_wrong(told: Told) -> None:
    wrong_version = told.steps["refuse_a_wrong_version"]["refusal"]
    assert "7" in wrong_version
    assert "3" in wrong_version
    assert "Version 2 has not run" in told.steps["refuse_an_unproven_release"]["refusal"]


def test_no_version_was_released_before_it_was_proven(told: Told) -> None:
    rows = told.sql(
        """SELECT originator_id, split_part(topic, '.', 1) FROM log.fleet_events
           WHERE split_part(topic, '.', 1) IN ('FirmwareProven', 'FirmwareReleased')
           ORDER BY originator_id, originator_version"""
    )
    product = told.product_id
    assert rows == [
        (f"firmware-{product}-1", "FirmwareProven"),
        (f"firmware-{product}-2", "FirmwareProven"),
        (f"firmware-{product}-2", "FirmwareReleased"),
        (f"firmware-{product}-3", "FirmwareProven"),
        (f"firmware-{product}-3", "FirmwareReleased"),
    ]


@pytest.mark.parametrize("step", ["release_to_beta", "release_to_everybody"])
def test_a_preview_is_what_then_happens(told: Told, step: str) -> None:
    version = 2 if step == "release_to_beta" else 3
    released_at = told.steps[step]["released_at"]
    rows = told.sql(
        """SELECT DISTINCT event ->> 'device_id' FROM log.entry
           WHERE name LIKE 'DeviceHandshook.%%' AND "position" > %s
             AND event -> 'told' ->> 'told' IN ('update', 'pending')
             AND (event -> 'told' ->> 'version')::integer = %s""",
        released_at,
        version,
    )
    offered = {device_id for (device_id,) in rows}
    previewed = set(told.steps[step]["previewed"])
    online = {device_id for device_id, in_use in handshook(told).items() if in_use}
    newcomers = {told.steps["import_a_latecomer"]["device"], stranger(told)}
    assert previewed
    assert offered - newcomers == previewed & online


def handshook(told: Told) -> dict[str, bool]:
    """Every device imported, and whether it ever shook hands."""
    rows = told.sql(
        """SELECT DISTINCT substr(d.originator_id, 8), EXISTS (
               SELECT 1 FROM log.fleet_events s
               WHERE s.originator_id = 'session-' || substr(d.originator_id, 8))
           FROM log.fleet_events d WHERE d.topic LIKE 'DeviceImported.%%'"""
    )
    return dict(rows)


def stranger(told: Told) -> str:
    found: str = told.steps["quarantine_a_stranger"]["device"]
    return found


def test_every_device_runs_what_the_rules_say(told: Told) -> None:
    """Recomputed here from groups and marks alone, in words other than the product's own."""
    listed = devices(told)
    assert len(listed) == DEVICES + 2
    hindered = told.steps["fail_until_stuck"]["device"], told.steps["fail_once"]["device"]
    for device in listed:
        groups = set(device["groups"])
        if device["last_handshake_at"] is None:
            assert device["firmware_version"] is None
            continue
        expected = 2 if groups == {"beta"} else 3
        if device["desired_firmware_version"] is not None:
            expected = device["desired_firmware_version"]
        if device["development"] or device["id"] in hindered:
            expected = 1
        assert device["firmware_version"] == expected, device


def devices(told: Told) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page = pages = 1
    while page <= pages:
        reply = told.get("/devices", page=page, per_page=100, sortAttr="deviceId", sortDir="asc")
        found += reply["devices"]
        pages = reply["meta"]["total_pages"]
        page += 1
    return found


def test_the_failing_device_is_stuck_with_its_reason(told: Told) -> None:
    step = told.steps["fail_until_stuck"]
    found = told.get(f"/devices/{step['device']}")
    assert found["firmware_update"]["state"] == "stuck"
    assert found["firmware_update"]["reason"] == step["reason"] == "battery too low"
    assert found["stuck_firmware_version"] == 3
    failures = "SELECT count(*) FROM log.fleet_events WHERE originator_id = %s AND topic LIKE %s"
    assert told.sql(failures, f"session-{step['device']}", "FirmwareUpdateFailed.%") == [(3,)]


def test_why_tells_five_devices_apart(told: Told) -> None:
    sentences = told.steps["explain_five_devices"]["why"]
    assert len(set(sentences)) == 5
    kinds = ("locked to version 2", "development", "(early)", "(beta)", "default release")
    assert [kind in sentence for kind, sentence in zip(kinds, sentences, strict=True)] == [True] * 5


def test_billing_started_once_for_each_device_that_shook_hands(told: Told) -> None:
    rows = told.sql(
        """SELECT substr(originator_id, 8), count(*) FROM log.fleet_events
           WHERE topic LIKE 'BillingStarted.%%' GROUP BY 1"""
    )
    assert dict(rows) == {device_id: 1 for device_id, in_use in handshook(told).items() if in_use}


def test_the_forged_event_was_named(told: Told) -> None:
    step = told.steps["forge_history"]
    assert step["wrong"] > 0
    named = [one for one in step["rests_on"] if one.startswith(f"position {step['forged_at']}:")]
    assert len(named) == 1
    assert "FirmwareLocked" in named[0]


def test_the_log_is_whole_at_the_end(told: Told) -> None:
    for what in ("decisions", "streams"):
        verified = rollcall(told, "verify", what)
        assert verified.returncode == 0, verified.stdout
        assert verified.stdout.rstrip().endswith("all right.")
