"""A small fleet that the deciders run: commands filled in as callers do, events into facts."""

from typing import Any

from domain.deciders import decider_for
from domain.device_commands import (
    DenyDevice,
    GroupDevice,
    ImportDevice,
    JoinDevice,
    LockFirmware,
    MarkForDevelopment,
    QuarantineDevice,
    RemoveDevice,
    UnlockFirmware,
    UnmarkForDevelopment,
)
from domain.device_events import Standing
from domain.facts import (
    NO_DEVICE_FACTS,
    DeviceFacts,
    ProductFacts,
    evolve_device,
    evolve_product,
)
from domain.firmware import (
    FIRMWARE,
    DeleteFirmware,
    Firmware,
    ProveFirmware,
    ReleaseFirmware,
    UploadFirmware,
)
from domain.group import CreateGroup, RemoveGroup, key_for
from domain.handshake import answer, product_of
from domain.hello import Hello, Told
from domain.model import Command, Event, Refused
from domain.ownership import ClaimDevice, UnclaimDevice
from domain.product import AllowAutoApproval, CreateProduct, ForbidAutoApproval
from domain.targeting import Target, target_of
from tests.laws.operations import PRODUCTS, VERSIONS, Kind, Operation

OUTSIDER = "5f1e0c0000000000000000ff"


class World:
    def __init__(self) -> None:
        self.states: dict[str, Any] = {}
        self.devices: dict[str, DeviceFacts] = {}
        self.products: dict[int, ProductFacts] = {}
        self.keys: dict[tuple[int, str], str] = {}  # of the groups there are, by name
        self.keys_ever: dict[int, set[str]] = {product: set() for product in PRODUCTS}
        self.uploads = 0
        for product in PRODUCTS:
            self.execute(
                CreateProduct(product_id=product, platform_id=6, name="Lamp", slug=f"{product}")
            )

    def execute(self, command: Command) -> list[Event]:
        """Decide, remember, fold. Raises Refused."""
        decider = decider_for(command)
        state = self.states.get(command.stream, decider.initial)
        events = list(decider.decide(state, command))
        for event in events:
            state = decider.evolve(state, event)
            self.fold(event)
        self.states[command.stream] = state
        return events

    def fold(self, event: Any) -> None:
        if type(event).__module__ in ("domain.device_events", "domain.ownership"):
            self.devices[event.device_id] = evolve_device(self.facts_of(event.device_id), event)
        else:
            facts = evolve_product(self.products.get(event.product_id), event)
            assert facts is not None
            self.products[event.product_id] = facts

    def facts_of(self, device: str) -> DeviceFacts:
        return self.devices.get(device, NO_DEVICE_FACTS)

    def firmware(self, product: int, version: int) -> Firmware:
        held: Firmware = self.states.get(f"firmware-{product}-{version}", FIRMWARE.initial)
        return held

    def target_of(self, device: str) -> Target | None:
        """None for a device in no product."""
        facts = self.facts_of(device)
        if facts.product_id is None:
            return None
        return target_of(facts.cohort(), self.products[facts.product_id].releases())

    def do(self, operation: Operation) -> bool:
        """Whether it was accepted."""
        try:
            for command in self.commands(operation):
                self.execute(command)
        except Refused:
            return False
        return True

    def commands(self, operation: Operation) -> list[Command]:
        kind, product, device, groups, version, default = operation
        match kind:
            case Kind.ASK:
                return self.commands_of_asking(device, product)
            case Kind.IMPORT:
                return [ImportDevice(device_id=device, product_id=product)]
            case Kind.DENY:
                return [DenyDevice(device_id=device, product_id=product)]
            case Kind.REMOVE:
                return [RemoveDevice(device_id=device, product_id=product)]
            case Kind.CREATE_GROUP:
                return [self.create_group(product, name) for name in groups[:1]]
            case Kind.REMOVE_GROUP:
                return [self.remove_group(product, name) for name in groups[:1]]
            case Kind.GROUP:
                keys = self.keys_of(product, groups)
                return [GroupDevice(device_id=device, product_id=product, groups=keys)]
            case Kind.LOCK:
                known = self.firmware(product, version).exists
                return [
                    LockFirmware(
                        device_id=device, product_id=product, version=version, version_known=known
                    )
                ]
            case Kind.UNLOCK:
                return [UnlockFirmware(device_id=device, product_id=product)]
            case Kind.MARK:
                return [MarkForDevelopment(device_id=device, product_id=product)]
            case Kind.UNMARK:
                return [UnmarkForDevelopment(device_id=device, product_id=product)]
            case Kind.APPROVE_ALL:
                return [AllowAutoApproval(product_id=product)]
            case Kind.APPROVE_NONE:
                return [ForbidAutoApproval(product_id=product)]
            case Kind.CLAIM:
                return [ClaimDevice(device_id=device, user_id=OUTSIDER, reachable=True)]
            case Kind.UNCLAIM:
                return [UnclaimDevice(device_id=device, user_id=OUTSIDER)]
            case _:
                return self.commands_of_firmware(kind, product, device, groups, version, default)

    def commands_of_firmware(
        self,
        kind: Kind,
        product: int,
        device: str,
        groups: tuple[str, ...],
        version: int,
        default: bool,
    ) -> list[Command]:
        match kind:
            case Kind.UPLOAD:
                return [self.upload(product, version)]
            case Kind.RUN if self.is_member(device, product):
                return [ProveFirmware(product_id=product, version=version, device_id=device)]
            case Kind.RELEASE:
                return [self.release(product, version, groups, default)]
            case Kind.DELETE:
                locked = sum(
                    facts.product_id == product and facts.locked_version == version
                    for facts in self.devices.values()
                )
                return [DeleteFirmware(product_id=product, version=version, devices_locked=locked)]
        return []

    def is_member(self, device: str, product: int) -> bool:
        facts = self.facts_of(device)
        return facts.product_id == product and facts.standing == Standing.MEMBER

    def commands_of_asking(self, device: str, product: int) -> list[Command]:
        """What a hello of firmware built for the product leads to."""
        hello = Hello(product_id=product, version=1)
        facts = self.facts_of(device)
        asked = product_of(hello, facts)
        assert asked is not None
        told = answer(hello, facts, self.products[asked])
        if told.joins:
            return [JoinDevice(device_id=device, product_id=asked)]
        if told.told in (Told.QUARANTINED, Told.DENIED):
            return [QuarantineDevice(device_id=device, product_id=asked)]
        return []

    def create_group(self, product: int, name: str) -> Command:
        taken = frozenset(held for where, held in self.keys if where == product)
        key = key_for(name, frozenset(self.keys_ever[product]))
        if name not in taken:
            self.keys[product, name] = key
            self.keys_ever[product].add(key)
        return CreateGroup(product_id=product, group=key, name=name, names_taken=taken)

    def remove_group(self, product: int, name: str) -> Command:
        return RemoveGroup(product_id=product, group=self.keys.pop((product, name), name))

    def keys_of(self, product: int, names: tuple[str, ...]) -> tuple[str, ...]:
        """Of those that are groups now: the API refuses the others before it asks the decider."""
        return tuple(self.keys[product, name] for name in names if (product, name) in self.keys)

    def upload(self, product: int, version: int) -> Command:
        self.uploads += 1
        versions = [one for one in VERSIONS if self.firmware(product, one).exists]
        return UploadFirmware(
            product_id=product,
            version=version,
            sha256=f"{self.uploads:064x}",
            size_bytes=512,
            title="Firmware",
            highest_version=max(versions, default=0),
        )

    def release(
        self, product: int, version: int, groups: tuple[str, ...], default: bool
    ) -> Command:
        facts = self.products[product]
        return ReleaseFirmware(
            product_id=product,
            version=version,
            product_default=default,
            groups=self.keys_of(product, groups),
            held_default=facts.default == version,
            held_groups=tuple(key for key, held in facts.groups.items() if held == version),
        )
