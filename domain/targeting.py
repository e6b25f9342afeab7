"""The one rule that says which firmware a device should run, for whoever asks: edge, API, audit.

Everything the rule looks at is in two values: the cohort a device is in (devices that targeting
cannot tell apart) and what its product has released. Nothing else may decide a target.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from domain.device_events import Standing


class Rule(StrEnum):
    """Why a device has its target, in the order in which the reasons are tried."""

    QUARANTINED = "quarantined"
    DENIED = "denied"
    DEVELOPMENT = "development"
    LOCKED = "locked"
    GROUP = "group"
    DEFAULT = "default"
    NONE = "none"


class Cohort(Struct, frozen=True):
    """All that targeting knows of a device; devices of one cohort always have the same target."""

    product_id: int
    standing: Standing = Standing.MEMBER
    groups: tuple[str, ...] = ()
    locked_version: int | None = None
    development: bool = False


class Releases(Struct, frozen=True):
    """What a product has released: to everybody, and to which group (by key)."""

    default: int | None = None
    groups: Mapping[str, int] = {}


class Candidate(Struct, frozen=True):
    """One reason for a target: the version it asks for (None: no update), and for whom."""

    rule: Rule
    version: int | None
    group: str = ""


class Target(Struct, frozen=True):
    """The version a device should run (None: leave it alone) and the rule that chose it."""

    version: int | None
    rule: Rule
    group: str = ""


NO_TARGET = Target(version=None, rule=Rule.NONE)


def candidates(cohort: Cohort, releases: Releases) -> list[Candidate]:
    """Every reason that applies, the winner first; empty if none does."""
    found: list[Candidate] = []
    if cohort.standing == Standing.QUARANTINED:
        found.append(Candidate(Rule.QUARANTINED, None))
    if cohort.standing == Standing.DENIED:
        found.append(Candidate(Rule.DENIED, None))
    if cohort.development:
        found.append(Candidate(Rule.DEVELOPMENT, None))
    if cohort.locked_version is not None:
        found.append(Candidate(Rule.LOCKED, cohort.locked_version))
    released = [(releases.groups[key], key) for key in cohort.groups if key in releases.groups]
    for version, group in sorted(released, key=lambda pair: (-pair[0], pair[1])):
        found.append(Candidate(Rule.GROUP, version, group))
    if releases.default is not None:
        found.append(Candidate(Rule.DEFAULT, releases.default))
    return found


def target_of(cohort: Cohort, releases: Releases) -> Target:
    """The target of every device of the cohort: what the first reason that applies asks for."""
    found = candidates(cohort, releases)
    if not found:
        return NO_TARGET
    return Target(version=found[0].version, rule=found[0].rule, group=found[0].group)
