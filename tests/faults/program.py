"""A customer's program under load: what it does at random, and what each of it must leave behind.

It works on devices, groups and a firmware version of its own, so that it knows exactly which events
each command leads to; and on a few devices that all programs share.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from random import Random
from typing import Any

from tests.faults.client import Client, Fact

GROUPS_MAX = 6
IMPORTED_AT_ONCE = 5
SHARED_GROUP = "shared"


class OwnDevice:
    """A device as its program wants it."""

    def __init__(self, device_id: str) -> None:
        self.id = device_id
        self.name: str | None = None
        self.notes: str | None = None
        self.groups: set[str] = set()
        self.locked: int | None = None


class Program:
    """Of several, number `number`. `version` is the firmware that only this one releases."""

    def __init__(
        self,
        client: Client,
        random: Random,
        *,
        product_id: int,
        number: int,
        version: int,
        versions: Sequence[int],
        devices: Sequence[str],
        shared: Sequence[str],
    ) -> None:
        self.client = client
        self.devices = [OwnDevice(device_id) for device_id in devices]
        self.groups: dict[str, str] = {}  # key by name
        self.imported: set[str] = set()
        self._random = random
        self._product_id = product_id
        self._path = f"/v1/products/{product_id}"
        self._number = number
        self._version = version
        self._versions = versions
        self._shared = shared
        self._released: tuple[str, ...] | None = None
        self._names = (f"p{number}-{step}" for step in count(1))
        self._ids = (f"f{number:03x}{step:020x}" for step in count(1))

    async def step(self) -> None:
        """One command, chosen at random; returns once it is acknowledged."""
        await self._random.choice(self._possible())()

    def _possible(self) -> list[Callable[[], Awaitable[None]]]:
        possible: list[Callable[[], Awaitable[None]]] = [
            self.name,
            self.name_and_note,
            self.lock,
            self.import_some,
            self.name_shared,
        ]
        if len(self.groups) < GROUPS_MAX:
            possible.append(self.create_group)
        if self.groups:
            possible += [self.rename_group, self.regroup, self.regroup_many, self.regroup_shared]
            possible.append(self.release)
        if self._empty_groups():
            possible.append(self.remove_group)
        if any(device.locked for device in self.devices):
            possible.append(self.unlock)
        return possible

    async def create_group(self) -> None:
        name = next(self._names)

        def created(reply: Any) -> list[Fact]:
            stream = f"group-{self._product_id}-{reply['group']['key']}"
            return [Fact(stream, "GroupCreated", {"name": name})]

        reply = await self.client.ask("POST", f"{self._path}/groups", {"name": name}, facts=created)
        assert reply["group"]["name"] == name
        self.groups[name] = reply["group"]["key"]

    async def rename_group(self) -> None:
        name, new = self._random.choice(sorted(self.groups)), next(self._names)
        key = self.groups[name]
        renamed = Fact(f"group-{self._product_id}-{key}", "GroupRenamed", {"name": new})
        path = f"{self._path}/groups/{name}"
        reply = await self.client.ask("PUT", path, {"name": new}, facts=[renamed])
        assert (reply["group"]["name"], reply["group"]["key"]) == (new, key)
        self.groups[new] = self.groups.pop(name)
        for device in self.devices:
            if name in device.groups:
                device.groups = device.groups - {name} | {new}

    async def remove_group(self) -> None:
        name = self._random.choice(self._empty_groups())
        removed = Fact(f"group-{self._product_id}-{self.groups[name]}", "GroupRemoved")
        await self.client.ask("DELETE", f"{self._path}/groups/{name}", facts=[removed])
        del self.groups[name]

    async def name(self) -> None:
        device, name = self._random.choice(self.devices), next(self._names)
        await self._change(device.id, {"name": name}, self._named(device.id, name))
        device.name = name

    async def name_and_note(self) -> None:
        device, name, notes = self._random.choice(self.devices), *self._two_names()
        noted = Fact(f"device-{device.id}", "DeviceNoted", {"notes": notes})
        wanted = {"name": name, "notes": notes}
        await self._change(device.id, wanted, self._named(device.id, name), noted)
        device.name, device.notes = name, notes

    async def name_shared(self) -> None:
        device_id, name = self._random.choice(self._shared), next(self._names)
        await self._change(device_id, {"name": name}, self._named(device_id, name))

    async def lock(self) -> None:
        device, flash = self._random.choice(self.devices), self._random.random() < 0.5
        others = [version for version in self._versions if version != device.locked]
        version = self._random.choice(others)
        fields = {"version": version, "flash": flash}
        locked = Fact(f"device-{device.id}", "FirmwareLocked", fields)
        wanted = {"desired_firmware_version": version, "flash": flash}
        await self._change(device.id, wanted, locked)
        device.locked = version

    async def unlock(self) -> None:
        device = self._random.choice([one for one in self.devices if one.locked])
        unlocked = Fact(f"device-{device.id}", "FirmwareUnlocked")
        await self._change(device.id, {"desired_firmware_version": None}, unlocked)
        device.locked = None

    async def regroup(self) -> None:
        device = self._random.choice(self.devices)
        names = self._some_groups()
        facts = [self._grouped(device.id, names)] if names != device.groups else []
        await self._change(device.id, {"groups": sorted(names)}, *facts)
        device.groups = names

    async def regroup_many(self) -> None:
        """Some devices into a group at once: those that are not in it yet change."""
        devices = self._random.sample(self.devices, k=min(3, len(self.devices)))
        name = self._random.choice(sorted(self.groups))
        facts = [
            self._grouped(device.id, device.groups | {name})
            for device in devices
            if name not in device.groups
        ]
        await self._regroup([device.id for device in devices], {"add": [name]}, facts)
        for device in devices:
            device.groups = device.groups | {name}

    async def regroup_shared(self) -> None:
        devices = self._random.sample(list(self._shared), k=2)
        change = self._random.choice(["add", "remove"])
        facts = [Fact(f"device-{device_id}", "DeviceGrouped") for device_id in devices]
        await self._regroup(devices, {change: [SHARED_GROUP]}, facts, contended=True)

    async def release(self) -> None:
        """Our version to some of our groups; the first program's also to everybody, or not."""
        groups = tuple(sorted(self._some_groups()))
        keys = sorted(self.groups[name] for name in groups)
        default = self._number == 0
        wanted = {"version": self._version, "groups": groups, "product_default": default}
        stream = f"firmware-{self._product_id}-{self._version}"
        released = Fact(stream, "FirmwareReleased", {"groups": keys, "product_default": default})
        # Released to just these, nothing is to be done; removed groups went by themselves.
        held = None if self._released is None else {*self._released} & {*self.groups.values()}
        facts = [] if held == set(keys) else [released]
        await self.client.ask("PUT", f"{self._path}/firmware/release", wanted, facts=facts)
        self._released = tuple(keys)

    async def import_some(self) -> None:
        ids = [next(self._ids) for _ in range(IMPORTED_AT_ONCE)]
        facts = [Fact(f"device-{device_id}", "DeviceImported") for device_id in ids]
        reply = await self.client.ask("POST", f"{self._path}/devices", {"ids": ids}, facts=facts)
        assert reply["updatedDeviceIds"] == ids, reply
        self.imported |= {*ids}

    async def _change(self, device_id: str, wanted: dict[str, Any], *facts: Fact) -> None:
        await self.client.ask("PUT", f"{self._path}/devices/{device_id}", wanted, facts=facts)

    async def _regroup(
        self,
        devices: list[str],
        metadata: dict[str, list[str]],
        facts: list[Fact],
        *,
        contended: bool = False,
    ) -> None:
        wanted = {"action": "groups", "devices": devices, "metadata": metadata}
        path = f"{self._path}/devices"
        await self.client.ask("PUT", path, wanted, facts=facts, contended=contended)

    def _named(self, device_id: str, name: str) -> Fact:
        return Fact(f"device-{device_id}", "DeviceNamed", {"name": name})

    def _grouped(self, device_id: str, names: set[str]) -> Fact:
        keys = sorted(self.groups[name] for name in names)
        return Fact(f"device-{device_id}", "DeviceGrouped", {"groups": keys})

    def _two_names(self) -> tuple[str, str]:
        return next(self._names), next(self._names)

    def _some_groups(self) -> set[str]:
        names = sorted(self.groups)
        return set(self._random.sample(names, k=self._random.randint(0, min(2, len(names)))))

    def _empty_groups(self) -> list[str]:
        taken = {name for device in self.devices for name in device.groups}
        return sorted(self.groups.keys() - taken)
