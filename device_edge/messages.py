"""What devices and edges say to each other, as JSON; docs/device-protocol.md tells it to people."""

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from domain.description import Description, Functions, Number, Subscriptions, Variables
from domain.hello import Short, Told
from domain.names import Version
from domain.session import Progress, Reason
from domain.targeting import Rule

MESSAGE_BYTES_MAX = 4096  # of everything but device events
CHUNK_BYTES_MAX = 32 * 1024
SHA256_PATTERN = r"^[0-9a-f]{64}$(?!\n)"
POSITION_MAX = 2**63 - 1

T = TypeVar("T")

encode = msgspec.json.Encoder().encode

Sha256 = Annotated[str, Meta(pattern=SHA256_PATTERN)]
Offset = Annotated[int, Meta(ge=0, le=2**32 - 1)]
ChunkLength = Annotated[int, Meta(ge=1, le=CHUNK_BYTES_MAX)]


class Beside(Struct, frozen=True):
    """What may stand in a hello beside what the answer depends on.

    `id` comes back with the answer. `at_least` asks for an answer from that position on. The rest
    is what the device has.
    """

    id: Short = ""
    at_least: Annotated[int, Meta(ge=0, le=POSITION_MAX)] = 0
    functions: Functions | UnsetType = UNSET
    variables: Variables | UnsetType = UNSET
    serial_number: Number | UnsetType = UNSET
    imei: Number | UnsetType = UNSET
    iccid: Number | UnsetType = UNSET
    subscriptions: Subscriptions | UnsetType = UNSET

    @property
    def has(self) -> Description | None:
        """What the device has, all of it; None from a device that speaks of something else."""
        said = {name: getattr(self, name) for name in Description.__struct_fields__}
        told = {name: value for name, value in said.items() if value is not UNSET}
        return Description(**told) if told else None


class HelloAnswer(Struct, frozen=True, omit_defaults=True):
    """`position` is the place in the log the answer is as of; the last four fetch the update."""

    told: Told
    rule: Rule
    position: int
    version: int | None = None
    product_id: int | None = None
    group: str = ""
    id: str = ""
    sha256: str = ""
    size_bytes: int = 0
    url: str = ""
    chunk_bytes: int = 0


class Refusal(Struct, frozen=True):
    """Why nothing comes of a message: its kind, the field at fault (empty: all of it), the rest."""

    error: str
    field: str
    reason: str
    about: str


class ProgressReport(Struct, frozen=True):
    """How an update goes."""

    version: Version
    state: Progress
    reason: Reason = ""
    id: Short = ""


class ProgressAck(Struct, frozen=True, omit_defaults=True):
    """The report will be in the log."""

    about: Literal["update"]
    version: int
    state: Progress
    id: str = ""


class ChunkAsked(Struct, frozen=True):
    """A part of a binary over the session; a last one may come shorter than asked for."""

    sha256: Sha256
    offset: Offset
    length: ChunkLength


class Malformed(Exception):
    """The message cannot be read: the field at fault (empty: all of it), and what is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


def read(decode: Callable[[bytes], T], payload: bytes, bytes_max: int = MESSAGE_BYTES_MAX) -> T:
    """What a device sent, whatever it sent. Raises Malformed and nothing else."""
    if len(payload) > bytes_max:
        raise Malformed("", f"{len(payload)} bytes; {bytes_max} is the limit")
    try:
        return decode(payload)
    except msgspec.MsgspecError as error:
        raise Malformed(*fault(error)) from None
    except UnicodeDecodeError:
        raise Malformed("", "not UTF-8") from None
    except RecursionError:
        raise Malformed("", "nested too deeply") from None


def refusal(about: str, malformed: Malformed) -> bytes:
    """What the device is told of its message."""
    said = Refusal(error="malformed", field=malformed.field, reason=malformed.reason, about=about)
    return encode(said)


def fault(error: msgspec.MsgspecError) -> tuple[str, str]:
    """The field at fault (empty: the message as a whole) and what is wrong with it."""
    reason, _, path = str(error).partition(" - at `$")
    if reason.startswith("Object missing required field"):
        return reason.split("`")[1], "is required"
    return path.rstrip("`").lstrip("."), reason
