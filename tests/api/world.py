"""Short ways to a product with firmware, groups and devices, and to what devices do."""

import secrets
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import Any

import httpx

from domain.facts import DeviceFacts, ProductFacts
from domain.handshake import running_version
from domain.hello import Answer, Hello, Told
from domain.log.fleet import Fleet
from domain.model import Command
from domain.recorded import Provenance
from domain.session import Progress, RecordDisconnection, RecordHandshake, RecordProgress
from rollcall.sample_firmware import build

PLATFORM = 6
moments = count()


class World:
    """One product, seen through the API; its devices act through the log, as the journal does."""

    def __init__(self, api: httpx.Client, fleet: Fleet, name: str) -> None:
        self.api = api
        self.fleet = fleet
        self.name = name

    @cached_property
    def product(self) -> dict[str, Any]:
        wanted = {"product": {"name": self.name, "platform_id": PLATFORM}}
        answer = self.api.post("/v1/user/products", json=wanted)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()["product"]
        return created

    @property
    def id(self) -> int:
        number: int = self.product["id"]
        return number

    @property
    def path(self) -> str:
        return f"/v1/products/{self.id}"

    def get(self, below: str = "", **params: Any) -> Any:
        answer = self.api.get(self.path + below, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, below: str, **changes: Any) -> Any:
        answer = self.api.put(self.path + below, json=changes)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, method: str, below: str, status: int, **options: Any) -> dict[str, Any]:
        """The error that a call is answered with."""
        answer = self.api.request(method, self.path + below, **options)
        assert answer.status_code == status, answer.text
        error: dict[str, Any] = answer.json()
        assert error["ok"] is False
        assert error["error"]
        assert error["error_description"]
        return error

    def import_devices(self, number: int = 1) -> list[str]:
        ids = [new_id() for _ in range(number)]
        answer = self.api.post(self.path + "/devices", json={"ids": ids})
        assert answer.status_code == 200, answer.text
        assert answer.json()["updated"] == number
        return ids

    def device(self, device_id: str) -> Any:
        return self.get(f"/devices/{device_id}")

    def create_group(self, name: str, **more: Any) -> Any:
        answer = self.api.post(self.path + "/groups", json={"name": name, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()["group"]

    def upload(self, version: int, **more: Any) -> Any:
        content = build(self.id, version, PLATFORM, seed=version)
        answer = self.api.post(
            self.path + "/firmware",
            data={"version": str(version), "title": f"version {version}", **more},
            files={"file": ("firmware.bin", content)},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    def prove(self, version: int) -> str:
        """Upload a version, and have a device of its own run it; returns the device."""
        self.upload(version)
        device_id = self.import_devices()[0]
        self.handshake(device_id, version)
        self.until(lambda: self.get(f"/firmware/{version}")["proven_by"] is not None)
        return device_id

    def release(self, version: int, **more: Any) -> Any:
        return self.put("/firmware/release", version=version, **more)

    def handshake(
        self,
        device_id: str,
        version: int | None,
        *,
        told: Told = Told.NOTHING,
        based_on: int = 0,
        **said: Any,
    ) -> int:
        """The device says hello and is told something; returns the position of the handshake."""
        hello = Hello(product_id=self.id, version=version, platform_id=PLATFORM, **said)
        return self.record(
            RecordHandshake(
                device_id=device_id,
                said=hello,
                told=Answer(told=told, product_id=self.id),
                based_on=based_on,
                running=running_version(hello, self.id),
                attempts_max=3,
                at=moment(),
                connection=secrets.token_hex(4),
            )
        )

    def start_update(self, device_id: str, version: int) -> None:
        self.report(device_id, version, Progress.STARTED)

    def fail_update(self, device_id: str, version: int, reason: str) -> None:
        self.start_update(device_id, version)
        self.report(device_id, version, Progress.FAILED, reason)

    def report(self, device_id: str, version: int, state: Progress, reason: str = "") -> None:
        self.record(
            RecordProgress(
                device_id=device_id,
                version=version,
                state=state,
                attempts_max=3,
                reason=reason,
                at=moment(),
            )
        )

    def disconnect(self, device_id: str) -> None:
        loaded = self.fleet.load(f"session-{device_id}")
        self.record(
            RecordDisconnection(
                device_id=device_id,
                connection=loaded.state.connection,
                connections_left=0,
                at=moment(),
            )
        )

    def record(self, command: Command) -> int:
        """Record what a device did, and wait until it can be read; returns the first position."""
        outcome = self.fleet.execute(command, Provenance(actor="device", origin="mqtt 127.0.0.1"))
        assert outcome.position is not None
        answer = self.api.get(self.path, params={"at_least": outcome.position})
        assert "X-Rollcall-Behind" not in answer.headers
        return outcome.position - len(outcome.events) + 1

    def head(self) -> int:
        return int(self.api.get("/v1/status").json()["position"])

    def until(self, holds: Any) -> None:
        """Bounded: each look reads at least what is in the log now."""
        for _ in range(500):
            if holds():
                return
        raise AssertionError("never held")


def new_id() -> str:
    return secrets.token_hex(12)


def moment() -> str:
    """A time that no other report has."""
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    return f"{at[:26]}+00:00"


__all__ = ["DeviceFacts", "ProductFacts", "World", "new_id"]
