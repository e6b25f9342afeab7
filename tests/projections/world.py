"""A fleet that really happens: commands through the log, handshakes answered as by an edge."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from domain import device_commands, firmware, group, ownership, product
from domain.facts import NO_DEVICE_FACTS, DeviceFacts, ProductFacts, evolve_device, evolve_product
from domain.handshake import answer, product_of, running_version
from domain.hello import Answer, Hello
from domain.log.fleet import Fleet, Outcome
from domain.log.history import device_history, product_history
from domain.model import Command, Refused
from domain.product import FAILED_ATTEMPTS_DEFAULT
from domain.recorded import Provenance
from domain.session import (
    Progress,
    RecordDisconnection,
    RecordHandshake,
    RecordProgress,
    RecordTimeOut,
)

START = datetime(2030, 1, 1, tzinfo=UTC)
PRODUCTS = (7000, 7001)
GROUPS = ("alpha", "beta")
VERSIONS = (1, 2, 3)
DEVICES = tuple(f"{number:024x}" for number in range(1, 7))
PLATFORM = 6
USERS = ("a" * 24, "b" * 24)


def device_id(number: int) -> str:
    return f"{number:024x}"


class World:
    """One log. Every command may be refused; `said` keeps what came of the last one."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.now = START

    def do(self, command: Command, actor: str = "somebody") -> Outcome:
        return self.fleet.execute(command, Provenance(actor=actor))

    def attempt(self, command: Command) -> None:
        """Do it, if the rules let us."""
        with suppress(Refused):
            self.do(command)

    def at(self) -> str:
        self.now += timedelta(seconds=1)
        return self.now.isoformat()

    def product(self, product_id: int = 7000) -> None:
        self.do(
            product.CreateProduct(
                product_id=product_id, platform_id=PLATFORM, name="Sensor", slug=f"p{product_id}"
            )
        )

    def upload(self, version: int, product_id: int = 7000) -> None:
        self.do(
            firmware.UploadFirmware(
                product_id=product_id,
                version=version,
                sha256=f"{version:064x}",
                size_bytes=1000 + version,
                title=f"version {version}",
            )
        )

    def prove(self, version: int, product_id: int = 7000, by: str = DEVICES[0]) -> None:
        self.do(firmware.ProveFirmware(product_id=product_id, version=version, device_id=by))

    def release(
        self,
        version: int,
        *groups: str,
        default: bool = True,
        intelligent: bool = False,
        product_id: int = 7000,
    ) -> Outcome:
        return self.do(
            firmware.ReleaseFirmware(
                product_id=product_id,
                version=version,
                product_default=default,
                groups=groups,
                intelligent=intelligent,
            )
        )

    def member(self, one: str = DEVICES[0], product_id: int = 7000) -> None:
        self.do(device_commands.ImportDevice(device_id=one, product_id=product_id))

    def facts(self, one: str) -> DeviceFacts:
        facts = NO_DEVICE_FACTS
        for recorded in device_history(self.fleet, one):
            facts = evolve_device(facts, recorded.event)
        return facts

    def product_facts(self, product_id: int | None) -> ProductFacts | None:
        facts: ProductFacts | None = None
        if product_id is not None:
            for recorded in product_history(self.fleet, product_id):
                facts = evolve_product(facts, recorded.event)
        return facts

    def hello(
        self,
        one: str = DEVICES[0],
        version: int | None = None,
        product_id: int | None = 7000,
        **said: Any,
    ) -> Answer:
        """The device says hello, and is answered from all that has happened."""
        hello = Hello(product_id=product_id, version=version, platform_id=PLATFORM, **said)
        facts = self.facts(one)
        asked = product_of(hello, facts)
        known = self.product_facts(asked)
        told = answer(hello, facts, known)
        running = None if told.product_id is None else running_version(hello, told.product_id)
        at = self.at()
        self.do(
            RecordHandshake(
                device_id=one,
                at=at,
                said=hello,
                told=told,
                based_on=self.position(),
                running=running,
                attempts_max=known.attempts_max if known else FAILED_ATTEMPTS_DEFAULT,
                connection=f"connection {at}",
            ),
            actor=f"device:{one}",
        )
        return told

    def progress(
        self, state: Progress, version: int, one: str = DEVICES[0], reason: str = ""
    ) -> None:
        self.do(
            RecordProgress(
                device_id=one,
                at=self.at(),
                version=version,
                state=state,
                reason=reason,
                attempts_max=FAILED_ATTEMPTS_DEFAULT,
            )
        )

    def time_out(self, version: int, one: str = DEVICES[0]) -> None:
        self.do(
            RecordTimeOut(
                device_id=one,
                at=self.at(),
                version=version,
                attempts_max=FAILED_ATTEMPTS_DEFAULT,
            )
        )

    def disconnect(self, one: str = DEVICES[0]) -> None:
        session = self.fleet.load(f"session-{one}").state
        self.do(
            RecordDisconnection(
                device_id=one,
                at=self.at(),
                connection=session.connection,
                connections_left=0,
                reason="closed",
            )
        )

    def position(self) -> int:
        return self.fleet.recorder.max_notification_id() or 0


@contextmanager
def world(conninfo: str) -> Iterator[World]:
    fleet = Fleet(conninfo, pool_connections=2)
    try:
        yield World(fleet)
    finally:
        fleet.close()


def live_on(world: World, random: Random, turns: int) -> None:
    """So many things happen at random; what the rules refuse does not."""
    for _ in range(turns):
        random.choice(WHAT_HAPPENS)(world, random)


def something_of_a_product(world: World, random: Random) -> None:
    one = random.choice(PRODUCTS)
    world.attempt(
        random.choice(
            [
                product.CreateProduct(
                    product_id=one, platform_id=PLATFORM, name="Sensor", slug=f"p{one}"
                ),
                product.RenameProduct(product_id=one, name=random.choice("abc")),
                product.DescribeProduct(product_id=one, description=random.choice("abc")),
                product.AllowAutoApproval(product_id=one),
                product.ForbidAutoApproval(product_id=one),
                product.LimitFailedAttempts(product_id=one, attempts_max=random.randint(1, 3)),
            ]
        )
    )


def something_of_a_group(world: World, random: Random) -> None:
    one = {"product_id": random.choice(PRODUCTS), "group": random.choice(GROUPS)}
    world.attempt(
        random.choice(
            [
                group.CreateGroup(**one, name=one["group"]),
                group.RenameGroup(**one, name=random.choice("abc")),
                group.DescribeGroup(**one, color=random.choice(["", "aabbcc"])),
                group.RemoveGroup(**one)
                if random.random() < 0.2
                else group.CreateGroup(**one, name=one["group"]),
            ]
        )
    )


def something_of_firmware(world: World, random: Random) -> None:
    one = {"product_id": random.choice(PRODUCTS), "version": random.choice(VERSIONS)}
    upload = firmware.UploadFirmware(**one, sha256="ab" * 32, size_bytes=9, title="t")
    release = firmware.ReleaseFirmware(
        **one,
        product_default=random.random() < 0.5,
        groups=tuple(random.sample(GROUPS, random.randint(0, 2))),
        intelligent=random.random() < 0.5,
    )
    world.attempt(
        random.choice(
            [
                upload,
                upload,
                release,
                release,
                firmware.ProveFirmware(**one, device_id=random.choice(DEVICES)),
                firmware.DescribeFirmware(**one, title=random.choice("abc")),
                firmware.DeleteFirmware(**one),
            ]
        )
    )


def something_of_a_device(world: World, random: Random) -> None:
    one = {"device_id": random.choice(DEVICES), "product_id": random.choice(PRODUCTS)}
    groups = tuple(random.sample(GROUPS, random.randint(0, 2)))
    asked = str(random.random())
    stuck = world.facts(one["device_id"]).stuck_version
    world.attempt(
        random.choice(
            [
                device_commands.ImportDevice(**one),
                device_commands.ImportDevice(**one),
                device_commands.QuarantineDevice(**one),
                device_commands.JoinDevice(**one),
                device_commands.AdmitDevice(**one, owner=random.choice(["", *USERS])),
                device_commands.DenyDevice(**one),
                device_commands.RemoveDevice(**one),
                device_commands.NameDevice(**one, name=random.choice("abc")),
                device_commands.NoteDevice(**one, notes=random.choice("abc")),
                device_commands.GroupDevice(**one, groups=groups),
                device_commands.LockFirmware(**one, version=random.choice(VERSIONS), request=asked),
                device_commands.UnlockFirmware(**one),
                device_commands.MarkForDevelopment(**one),
                device_commands.UnmarkForDevelopment(**one),
                device_commands.ForceUpdates(**one),
                device_commands.UnforceUpdates(**one),
                device_commands.RetryUpdate(**one, stuck_version=stuck, request=asked),
                device_commands.StartBilling(**one),
            ]
        )
    )


def something_of_an_owner(world: World, random: Random) -> None:
    one = {"device_id": random.choice(DEVICES), "user_id": random.choice(USERS)}
    at, transfer_id = world.at(), f"{random.randint(1, 3)} of {one['device_id']}"
    soon = (world.now + timedelta(seconds=random.randint(0, 60))).isoformat()
    owner = random.choice(["", one["user_id"]])
    said = {"device_id": one["device_id"], "owner": owner}
    world.attempt(
        random.choice(
            [
                ownership.ClaimDevice(**one, reachable=True),
                ownership.ClaimDevice(**one, reachable=True),
                ownership.UnclaimDevice(**one),
                ownership.RequestTransfer(**one, transfer_id=transfer_id, expires_at=soon, at=at),
                ownership.AcceptTransfer(**one, transfer_id=transfer_id, at=at),
                ownership.DeclineTransfer(**one, transfer_id=transfer_id),
                ownership.WithdrawTransfer(**one, transfer_id=transfer_id),
                device_commands.NameDevice(**said, name=random.choice("abc")),
                device_commands.NoteDevice(**said, notes=random.choice("abc")),
                device_commands.ReleaseDevice(
                    device_id=one["device_id"], product_id=random.choice(PRODUCTS)
                ),
            ]
        )
    )


def something_a_device_does(world: World, random: Random) -> None:
    one, version = random.choice(DEVICES), random.choice(VERSIONS)
    match random.randint(0, 5):
        case 0 | 1 | 2:
            asked = random.choice([*PRODUCTS, None])
            world.hello(one, version, asked, updates_enabled=random.random() < 0.8)
        case 3 | 4:
            world.progress(random.choice(list(Progress)), version, one, "no space")
        case _:
            world.disconnect(one)


WHAT_HAPPENS = (
    something_of_a_product,
    something_of_a_group,
    something_of_firmware,
    something_of_a_device,
    something_of_a_device,
    something_of_an_owner,
    something_a_device_does,
    something_a_device_does,
    something_a_device_does,
)
