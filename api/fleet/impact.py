"""What a release would do: which devices' targets would change, counted and listed."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.call import Call
from api.database import Rows, Snapshot
from api.fleet.device_object import FirmwareTarget, shown_target
from api.fleet.groups import groups_of
from api.fleet.products import product_in
from api.problem import FieldInvalid, PreviewOutdated
from api.views import PER_PAGE_DEFAULT
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
)
from domain.facts import release
from domain.firmware import FirmwareReleased, FirmwareUnknown, GroupsUnknown
from domain.group import GroupRemoved
from domain.model import Event
from domain.names import Version
from domain.session import FirmwareSeenRunning
from domain.targeting import Cohort, Releases, Target, target_of
from projections.fleet import GroupRow, ProductRow

LISTED_MAX = 1_000
GROUPS_CHARACTERS_MAX = 60 * 1024  # a whole address has room for 64 KiB
POSITION_MAX = 2**62
PREVIEW_EVENTS_MAX = 2_000_000  # a preview older than this many events is too old to look back to

# Whatever changes which devices a release reaches: their targets, and whether they run them.
CHANGES_IMPACT: tuple[type[Event], ...] = (
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
    FirmwareReleased,
    GroupRemoved,
    FirmwareSeenRunning,
)

COHORTS = """
    SELECT c.cohort_id, c.standing, c.groups, c.locked_version, c.development, t.running,
           sum(t.devices)::bigint AS devices
    FROM fleet.tally t JOIN fleet.cohort c USING (cohort_id)
    WHERE t.product_id = %s
    GROUP BY c.cohort_id, t.running HAVING sum(t.devices) > 0
"""
FIRST_CHANGE = """
    SELECT notification_id FROM log.fleet_events
    WHERE notification_id > %(after)s AND topic = ANY (%(topics)s)
      AND (convert_from(state, 'UTF8')::json -> 'event' ->> 'product_id')::integer = %(product)s
    ORDER BY notification_id LIMIT 1
"""
DEVICES = """
    SELECT d.device_id, d.cohort_id, d.running
    FROM fleet.device d
    JOIN unnest(%(cohorts)s::bigint[], %(targets)s::integer[]) AS moved (cohort_id, target)
      USING (cohort_id)
    WHERE d.running IS DISTINCT FROM moved.target AND d.device_id > %(after)s
    ORDER BY d.device_id LIMIT %(limit)s
"""
EXISTS = """
    SELECT count(*) FROM fleet.firmware WHERE product_id = %s AND version = %s AND NOT deleted
"""


class CohortCount(Struct, frozen=True):
    """So many devices of a cohort run this version."""

    cohort_id: int
    standing: str
    groups: list[str]
    locked_version: int | None
    development: bool
    running: int | None
    devices: int

    def cohort(self, product_id: int) -> Cohort:
        return Cohort(
            product_id=product_id,
            standing=Standing(self.standing),
            groups=tuple(self.groups),
            locked_version=self.locked_version,
            development=self.development,
        )


class ImpactWanted(Struct, frozen=True):
    """`groups` is a comma list of names; without it, the version is released to no group.

    With `list`, devices are listed in the order of their ids, those after `after`. `position` is
    the one of the first page: where history moved on meanwhile, a page is refused.
    """

    firmware_version: Version
    action: Literal["edit_groups_for_firmware"] = "edit_groups_for_firmware"
    groups: Annotated[str, Meta(max_length=GROUPS_CHARACTERS_MAX)] = ""
    product_default: bool = False
    list: bool = False
    after: Annotated[str, Meta(max_length=24, pattern="^[0-9a-f]*$")] = ""
    per_page: Annotated[int, Meta(ge=1, le=LISTED_MAX)] = PER_PAGE_DEFAULT
    position: Annotated[int, Meta(ge=0, le=POSITION_MAX)] | None = None


class VersionTotal(Struct, frozen=True):
    version: int | None
    total: int


class FirmwareImpact(Struct, frozen=True):
    """How many devices would be updated, and to which version."""

    total: int
    by_version: list[VersionTotal]


class DevicesImpact(Struct, frozen=True):
    firmware_update: FirmwareImpact


class Change(Struct, frozen=True):
    """So many devices have the one target before, and the other after."""

    before: FirmwareTarget
    after: FirmwareTarget
    total: int


class ImpactedDevice(Struct, frozen=True):
    id: str
    firmware_version: int | None
    before: FirmwareTarget
    after: FirmwareTarget


class Impact(Struct, frozen=True, omit_defaults=True):
    """`position` is what a release names as `as_previewed`, to be made only if nothing changed.

    `next` is the `after` of the next page of the list, if there is one.
    """

    devices: DevicesImpact
    changes: Sequence[Change]
    position: int
    impacted: Sequence[ImpactedDevice] | None = None
    next: str | None = None


class Moved(Struct, frozen=True):
    """A cohort whose target would change, and how many of its devices do not run it yet."""

    cohort_id: int
    before: Target
    after: Target
    devices: int


async def preview(call: Call, query: ImpactWanted) -> Impact:
    """What releasing a version would do. The counts cost the same for any size of fleet."""
    async with call.snapshot() as snapshot:
        product = await product_in(call, snapshot)
        groups = await groups_of(snapshot, product.product_id)
        if not await snapshot.value(EXISTS, [product.product_id, query.firmware_version]):
            raise FirmwareUnknown(version=query.firmware_version)
        if query.position is not None:
            await must_not_have_moved(snapshot, product.product_id, query.position)
        wanted = released_so(product, groups, query)
        counts = await snapshot.all(CohortCount, COHORTS, [product.product_id])
        moved = moved_cohorts(product, wanted, counts)
        listed = await listing(snapshot, moved, groups, query) if query.list else None
    names = {group.key: group.name for group in groups}
    shown = None if listed is None else listed[: query.per_page]
    return Impact(
        devices=DevicesImpact(totals(moved)),
        changes=changes(moved, names),
        position=snapshot.position,
        impacted=shown,
        next=shown[-1].id if listed and shown and len(listed) > len(shown) else None,
    )


def released_so(
    product: ProductRow, groups: Sequence[GroupRow], query: ImpactWanted
) -> FirmwareReleased:
    """The event that the release would be."""
    names = [name.strip() for name in query.groups.split(",") if name.strip()]
    return FirmwareReleased(
        product_id=product.product_id,
        version=query.firmware_version,
        product_default=query.product_default,
        groups=keys_named(names, groups)[0],
    )


def keys_named(
    names: Sequence[str], groups: Sequence[GroupRow], *, strict: bool = True
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys of groups by name, and the names that are no group's.

    Raises GroupsUnknown if `strict` and there are such names.
    """
    keys = {group.name: group.key for group in groups}
    unknown = tuple(sorted({name for name in names if name not in keys}))
    if unknown and strict:
        raise GroupsUnknown(groups=", ".join(unknown))
    return tuple(sorted({keys[name] for name in names if name in keys})), unknown


def moved_cohorts(
    product: ProductRow, released: FirmwareReleased, counts: Sequence[CohortCount]
) -> list[Moved]:
    """The cohorts whose devices would be updated, by the one targeting rule."""
    facts = product.facts()
    before, after = facts.releases(), release(facts, released).releases()
    moved: dict[int, Moved] = {}
    for count in counts:
        change = change_of(count.cohort(product.product_id), before, after)
        if change is None or count.running == change[1].version:
            continue
        known = moved.get(count.cohort_id)
        devices = count.devices + (known.devices if known else 0)
        moved[count.cohort_id] = Moved(count.cohort_id, *change, devices)
    return list(moved.values())


def change_of(cohort: Cohort, before: Releases, after: Releases) -> tuple[Target, Target] | None:
    """The targets before and after, if there is a version after and it is another one."""
    old, new = target_of(cohort, before), target_of(cohort, after)
    if new.version is None or new.version == old.version:
        return None
    return old, new


def totals(moved: Sequence[Moved]) -> FirmwareImpact:
    by_version: dict[int | None, int] = {}
    for one in moved:
        by_version[one.after.version] = by_version.get(one.after.version, 0) + one.devices
    found = [VersionTotal(version, by_version[version]) for version in sorted(by_version, key=str)]
    return FirmwareImpact(sum(by_version.values()), found)


def changes(moved: Sequence[Moved], names: dict[str, str]) -> list[Change]:
    totals: dict[tuple[Target, Target], int] = {}
    for one in moved:
        key = (one.before, one.after)
        totals[key] = totals.get(key, 0) + one.devices
    return [
        Change(shown_target(before, names), shown_target(after, names), total)
        for (before, after), total in totals.items()
    ]


class ListedDevice(Struct, frozen=True):
    device_id: str
    cohort_id: int
    running: int | None


async def listing(
    rows: Rows, moved: Sequence[Moved], groups: Sequence[GroupRow], query: ImpactWanted
) -> list[ImpactedDevice]:
    """The devices themselves, one more than a page, so that it shows whether more follow."""
    by_cohort = {one.cohort_id: one for one in moved}
    names = {group.key: group.name for group in groups}
    params = {
        "cohorts": list(by_cohort),
        "targets": [one.after.version for one in moved],
        "after": query.after,
        "limit": query.per_page + 1,
    }
    found = await rows.all(ListedDevice, DEVICES, params)
    return [
        ImpactedDevice(
            one.device_id,
            one.running,
            shown_target(by_cohort[one.cohort_id].before, names),
            shown_target(by_cohort[one.cohort_id].after, names),
        )
        for one in found
    ]


async def must_not_have_moved(snapshot: Snapshot, product_id: int, previewed: int) -> None:
    """Nothing between a preview and the snapshot changed what a release does.

    Raises PreviewOutdated if something did, FieldInvalid for a position that is not there yet.
    """
    if previewed > snapshot.position:
        raise FieldInvalid(
            field="position", reason=f"nothing was previewed there: now is {snapshot.position}"
        )
    if snapshot.position - previewed > PREVIEW_EVENTS_MAX:
        raise PreviewOutdated(position=snapshot.position, as_previewed=previewed)
    topics = [event.TOPIC for event in CHANGES_IMPACT]
    params = {"after": previewed, "topics": topics, "product": product_id}
    moved = await snapshot.value(FIRST_CHANGE, params)
    if moved is not None:
        raise PreviewOutdated(position=moved, as_previewed=previewed)
