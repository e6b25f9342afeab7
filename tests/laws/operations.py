"""What people and devices do to a small fleet: drawn at random, told apart by kind."""

from enum import IntEnum, auto
from typing import NamedTuple

from hypothesis import strategies as st

PRODUCTS = (7000, 7001)
DEVICES = tuple(f"{number:024x}" for number in range(1, 4))
GROUPS = ("alpha", "beta", "gamma")
VERSIONS = (1, 2, 3, 4)


class Kind(IntEnum):
    IMPORT = 0
    ASK = auto()
    DENY = auto()
    REMOVE = auto()
    CREATE_GROUP = auto()
    REMOVE_GROUP = auto()
    GROUP = auto()
    LOCK = auto()
    UNLOCK = auto()
    MARK = auto()
    UNMARK = auto()
    UPLOAD = auto()
    RUN = auto()
    RELEASE = auto()
    DELETE = auto()
    APPROVE_ALL = auto()
    APPROVE_NONE = auto()
    CLAIM = auto()
    UNCLAIM = auto()


# What makes histories interesting comes up more often.
WEIGHTED = (*Kind, Kind.IMPORT, Kind.GROUP, Kind.GROUP, Kind.LOCK, Kind.UPLOAD, Kind.RUN)
WEIGHTED += (Kind.RELEASE,) * 6 + (Kind.CREATE_GROUP, Kind.RUN, Kind.IMPORT)


class Operation(NamedTuple):
    """Each kind uses what it needs of the rest."""

    kind: Kind
    product: int
    device: str
    groups: tuple[str, ...]
    version: int
    default: bool


def operation(number: int) -> Operation:
    """One number is one operation: drawing a single number is what keeps the law fast."""
    number, kind = divmod(number, len(WEIGHTED))
    number, device = divmod(number, len(DEVICES))
    number, groups = divmod(number, 2 ** len(GROUPS))
    number, version = divmod(number, len(VERSIONS))
    number, default = divmod(number, 2)
    return Operation(
        kind=WEIGHTED[kind],
        product=PRODUCTS[number % 8 == 7],  # mostly the first, so that things meet
        device=DEVICES[device],
        groups=tuple(name for bit, name in enumerate(GROUPS) if groups >> bit & 1),
        version=VERSIONS[version],
        default=bool(default),
    )


def prepared() -> list[Operation]:
    """A product in use: its devices grouped, its versions proven, two of them released."""
    blank = Operation(Kind.IMPORT, PRODUCTS[0], DEVICES[0], (), 1, False)
    done = [blank._replace(device=device) for device in DEVICES]
    done += [blank._replace(kind=Kind.CREATE_GROUP, groups=(name,)) for name in GROUPS]
    done += [
        blank._replace(kind=Kind.GROUP, device=device, groups=groups)
        for device, groups in zip(DEVICES, (GROUPS[:1], GROUPS[1:], ()), strict=True)
    ]
    for version in VERSIONS[:3]:
        done.append(blank._replace(kind=Kind.UPLOAD, version=version))
        done.append(blank._replace(kind=Kind.RUN, version=version))
    done.append(blank._replace(kind=Kind.RELEASE, version=2, default=True))
    done.append(blank._replace(kind=Kind.RELEASE, version=1, groups=GROUPS[:2]))
    return done


RANGE = len(WEIGHTED) * len(DEVICES) * 2 ** len(GROUPS) * len(VERSIONS) * 2 * 8
OPERATIONS = st.builds(
    list.__add__,
    st.sampled_from([[], prepared(), prepared()]),
    st.lists(st.integers(0, RANGE - 1).map(operation), min_size=5, max_size=40),
)
