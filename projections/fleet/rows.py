"""The rows of the fleet's tables, field by field in the order of their columns."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from domain.device_events import Standing
from domain.facts import DeviceFacts, ProductFacts


class DeviceRow(Struct, gc=False):
    """Table fleet.device; `standing` to `development` are its cohort's."""

    device_id: str
    # what people intend
    product_id: int | None = None
    cohort_id: int | None = None
    forced: bool = False
    stuck_version: int | None = None
    removed_from: tuple[int, ...] = ()
    name: str = ""
    notes: str = ""
    entered_at: datetime | None = None
    billed_in: int | None = None
    billed_since: datetime | None = None
    # what it said at its last handshake
    firmware_product_id: int | None = None
    firmware_version: int | None = None
    running: int | None = None
    platform_id: int | None = None
    system_version: str = ""
    app_hash: str = ""
    reset_reason: str = ""
    updates_enabled: bool = True
    told: str | None = None
    told_version: int | None = None
    told_product_id: int | None = None
    told_position: int | None = None
    online: bool = False
    last_handshake_at: datetime | None = None
    last_heard_at: datetime | None = None
    last_ip: str = ""
    # the update it was last seen to try
    update_state: str | None = None
    update_version: int | None = None
    update_attempt: int | None = None
    update_reason: str = ""
    update_at: datetime | None = None
    facts_position: int = 0
    last_position: int = 0
    owner: str | None = None  # the user who claimed it
    # of the cohort
    standing: str = Standing.MEMBER.value
    groups: tuple[str, ...] = ()
    locked_version: int | None = None
    development: bool = False
    # the same once more, as the domain has it; made when first asked for
    known_facts: DeviceFacts | None = None

    def facts(self) -> DeviceFacts:
        """What handshakes are answered from."""
        if self.known_facts is None:
            self.known_facts = self._make_facts()
        return self.known_facts

    def _make_facts(self) -> DeviceFacts:
        return DeviceFacts(
            product_id=self.product_id,
            standing=Standing(self.standing),
            groups=self.groups,
            locked_version=self.locked_version,
            development=self.development,
            forced=self.forced,
            stuck_version=self.stuck_version,
            removed_from=self.removed_from,
            owned=self.owner is not None,
        )


# Every field before the cohort's is a column of the device's own table.
COHORT_FIELDS = ("standing", "groups", "locked_version", "development")
DEVICE_COLUMNS = DeviceRow.__struct_fields__[: DeviceRow.__struct_fields__.index(COHORT_FIELDS[0])]


class ProductRow(Struct, gc=False):
    """Table fleet.product. `group_versions` says what is released to which group, by key."""

    product_id: int
    platform_id: int
    name: str
    slug: str
    description: str
    owner: str
    auto_approves: bool
    attempts_max: int
    retired: bool
    default_version: int | None
    group_versions: dict[str, int]
    created_at: datetime
    updated_at: datetime
    facts_position: int
    requires_activation_codes: bool
    device_event_days: int | None

    def facts(self) -> ProductFacts:
        """What handshakes are answered from."""
        return ProductFacts(
            product_id=self.product_id,
            platform_id=self.platform_id,
            auto_approves=self.auto_approves,
            retired=self.retired,
            attempts_max=self.attempts_max,
            default=self.default_version,
            groups=self.group_versions,
        )


class GroupRow(Struct, gc=False):
    """Table fleet.device_group."""

    product_id: int
    key: str
    name: str
    color: str
    description: str
    removed: bool
    released_version: int | None
    created_at: datetime
    updated_at: datetime


class FirmwareRow(Struct, gc=False):
    """Table fleet.firmware."""

    product_id: int
    version: int
    sha256: str
    size_bytes: int
    title: str
    description: str
    mandatory: bool
    file_name: str
    uploaded_at: datetime
    uploaded_by: str
    updated_at: datetime
    proven_by: str | None
    released_at: datetime | None
    product_default: bool
    intelligent: bool
    deleted: bool
    facts_position: int


class TallyRow(Struct, frozen=True):
    """Table fleet.tally: so many devices of a cohort are in this state."""

    product_id: int
    cohort_id: int
    running: int | None
    online: bool
    update_state: str | None
    update_version: int | None
    told: str | None
    told_version: int | None
    devices: int


TallyKey = tuple[Any, ...]  # the columns of a TallyRow but the last


def tally_key(row: DeviceRow) -> TallyKey | None:
    """Where the device is counted; None if it is in no product."""
    if row.product_id is None:
        return None
    here = (row.product_id, row.cohort_id, row.running, row.online)
    if row.told_product_id != row.product_id:
        return (*here, None, None, None, None)  # what it did elsewhere says nothing here
    return (*here, row.update_state, row.update_version, row.told, row.told_version)
