"""The facts that handshakes are answered from, folded from events: of a device, and of a product.

The edge is sent them, the audit folds them again; both come from these functions alone.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from domain.device_events import (
    DevelopmentMarked,
    DevelopmentUnmarked,
    DeviceDenied,
    DeviceGrouped,
    DeviceImported,
    DeviceJoined,
    DeviceQuarantined,
    DeviceRemoved,
    FirmwareLocked,
    FirmwareUnlocked,
    Standing,
    UpdateRetryAsked,
    UpdatesForced,
    UpdatesUnforced,
)
from domain.firmware import FirmwareReleased
from domain.group import GroupRemoved
from domain.model import Event
from domain.ownership import DeviceClaimed, DeviceUnclaimed
from domain.product import (
    FAILED_ATTEMPTS_DEFAULT,
    AutoApprovalAllowed,
    AutoApprovalForbidden,
    FailedAttemptsLimited,
    ProductCreated,
    ProductRetired,
)
from domain.session import FirmwareSeenRunning, UpdateStuck
from domain.targeting import Cohort, Releases


class DeviceFacts(Struct, frozen=True, omit_defaults=True):
    """Of one device: the product it is in or asked for, and everything its answers depend on.

    `owned` is whether it is somebody's; whose, no answer depends on.
    """

    product_id: int | None = None
    standing: Standing = Standing.MEMBER
    groups: tuple[str, ...] = ()
    locked_version: int | None = None
    development: bool = False
    forced: bool = False
    stuck_version: int | None = None
    removed_from: tuple[int, ...] = ()
    owned: bool = False

    def cohort(self) -> Cohort:
        """What targeting sees of the device. Raises AssertionError if it is in no product."""
        assert self.product_id is not None
        return Cohort(
            product_id=self.product_id,
            standing=self.standing,
            groups=self.groups,
            locked_version=self.locked_version,
            development=self.development,
        )

    def turned_away_from(self) -> tuple[int, ...]:
        """The products that the device may not enter by asking."""
        if self.standing == Standing.DENIED and self.product_id is not None:
            return (*self.removed_from, self.product_id)
        return self.removed_from


class ProductFacts(Struct, frozen=True, omit_defaults=True):
    """Of one product: its device type, its policy, and what it has released (groups by key)."""

    product_id: int
    platform_id: int
    auto_approves: bool = False
    retired: bool = False
    attempts_max: int = FAILED_ATTEMPTS_DEFAULT
    default: int | None = None
    groups: Mapping[str, int] = {}

    def releases(self) -> Releases:
        return Releases(default=self.default, groups=self.groups)


NO_DEVICE_FACTS = DeviceFacts()


def evolve_device(facts: DeviceFacts, event: Event) -> DeviceFacts:
    """The device's facts after one more event of its two streams; most events change none."""
    match event:
        # First what comes most often, and hardly ever changes anything.
        case FirmwareSeenRunning(version=version):
            return replace(facts, stuck_version=None) if version == facts.stuck_version else facts
        case DeviceImported(product_id=product_id) | DeviceJoined(product_id=product_id):
            return enter(facts, product_id, Standing.MEMBER)
        case DeviceQuarantined(product_id=product_id):
            return enter(facts, product_id, Standing.QUARANTINED)
        case DeviceDenied(product_id=product_id):
            return enter(facts, product_id, Standing.DENIED)
        case DeviceRemoved(product_id=product_id):
            turned_away = tuple(sorted({*facts.removed_from, product_id}))
            return DeviceFacts(removed_from=turned_away, owned=facts.owned)
        case DeviceGrouped(groups=groups):
            return replace(facts, groups=groups)
        case FirmwareLocked(version=version):
            return replace(facts, locked_version=version)
        case FirmwareUnlocked():
            return replace(facts, locked_version=None)
        case DevelopmentMarked():
            return replace(facts, development=True)
        case DevelopmentUnmarked():
            return replace(facts, development=False)
        case UpdatesForced():
            return replace(facts, forced=True)
        case UpdatesUnforced():
            return replace(facts, forced=False)
        case UpdateStuck(version=version, product_id=product_id):
            if product_id != facts.product_id:
                return facts
            return replace(facts, stuck_version=version)
        case UpdateRetryAsked():
            return replace(facts, stuck_version=None)
        case DeviceClaimed() | DeviceUnclaimed():
            return replace(facts, owned=isinstance(event, DeviceClaimed))
        case _:
            return facts


def enter(facts: DeviceFacts, product_id: int, standing: Standing) -> DeviceFacts:
    turned_away = facts.turned_away_from()
    if turned_away:
        turned_away = tuple(sorted({*turned_away} - {product_id}))
    return DeviceFacts(
        product_id=product_id,
        standing=standing,
        removed_from=turned_away,
        owned=facts.owned,
    )


DEVICE_FACTS_CHANGED_BY: tuple[type[Event], ...] = (
    DeviceImported,
    DeviceJoined,
    DeviceQuarantined,
    DeviceDenied,
    DeviceRemoved,
    DeviceGrouped,
    FirmwareLocked,
    FirmwareUnlocked,
    DevelopmentMarked,
    DevelopmentUnmarked,
    UpdatesForced,
    UpdatesUnforced,
    UpdateStuck,
    UpdateRetryAsked,
    FirmwareSeenRunning,
    DeviceClaimed,
    DeviceUnclaimed,
)


def evolve_product(facts: ProductFacts | None, event: Event) -> ProductFacts | None:
    """The product's facts after one more event of its product, group or firmware streams."""
    if isinstance(event, ProductCreated):
        return ProductFacts(product_id=event.product_id, platform_id=event.platform_id)
    if facts is None:
        return None
    match event:
        case ProductRetired():
            return replace(facts, retired=True)
        case AutoApprovalAllowed():
            return replace(facts, auto_approves=True)
        case AutoApprovalForbidden():
            return replace(facts, auto_approves=False)
        case FailedAttemptsLimited(attempts_max=attempts_max):
            return replace(facts, attempts_max=attempts_max)
        case GroupRemoved(group=group):
            kept = {key: version for key, version in facts.groups.items() if key != group}
            return replace(facts, groups=kept)
        case FirmwareReleased():
            return release(facts, event)
        case _:
            return facts


def release(facts: ProductFacts, released: FirmwareReleased) -> ProductFacts:
    """Exactly the named groups, and the default if so said, point to the version from here on."""
    version = released.version
    groups = {key: held for key, held in facts.groups.items() if held != version}
    groups |= dict.fromkeys(released.groups, version)
    default = facts.default
    if released.product_default:
        default = version
    elif default == version:
        default = None
    return replace(facts, default=default, groups=groups)


PRODUCT_FACTS_CHANGED_BY: tuple[type[Event], ...] = (
    ProductCreated,
    ProductRetired,
    AutoApprovalAllowed,
    AutoApprovalForbidden,
    FailedAttemptsLimited,
    GroupRemoved,
    FirmwareReleased,
)
