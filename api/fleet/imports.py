"""Importing devices into a product: a million lines, each decided by the device's own rules."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, NamedTuple

from anyio import to_thread
from eventsourcing.persistence import IntegrityError
from msgspec import Meta, Struct
from msgspec.structs import replace
from psycopg import Cursor
from psycopg.rows import tuple_row
from starlette.responses import Response

from api.call import Call
from api.fleet.binaries import one_file
from api.fleet.import_lines import Line, device_id_of, in_chunks, lines_of_file, lines_of_list
from api.fleet.import_owners import Owners, member_named
from api.fleet.import_reply import ImportReply
from api.fleet.products import product_named
from api.problem import FieldInvalid, Stopping
from api.routing import Files
from api.streams import append, load_many, to_record
from domain.device import DEVICE, Device
from domain.device_commands import ImportDevice
from domain.device_events import DeviceEvent
from domain.device_refusals import DeviceInAnotherProduct, DeviceOfOutsider
from domain.log.fleet import ATTEMPTS_MAX, Contended, Loaded
from domain.names import EMAIL_CHARACTERS_MAX
from domain.ownership import ClaimDevice
from domain.product import ProductRetired, ProductUnknown
from domain.recorded import Recorded
from projections.fleet import ProductRow

log = logging.getLogger("rollcall.api")

IMPORT_BYTES_MAX = 64 * 1024 * 1024
IDS_MAX = 2_500_000  # what fits, 24 digits and a comma each
PROGRESS_LINES = 100_000

NOT_AN_ID = "not a device id, which is 24 hexadecimal digits"

OTHER_PLATFORM = b"""
    SELECT device_id, platform_id FROM fleet.device
    WHERE device_id = ANY (%s) AND platform_id <> %s
"""
TAKE_TURN = b"SELECT pg_advisory_xact_lock(log.lock_key())"
RETIRED = b"SELECT 1 FROM log.fleet_events WHERE originator_id = %s AND topic = %s"


class Ids(Struct, frozen=True):
    """One `id`, or many `ids`; or instead of both a file with one id a line."""

    id: str | None = None
    ids: Annotated[list[str], Meta(max_length=IDS_MAX)] = []
    claim_user: Annotated[str, Meta(max_length=EMAIL_CHARACTERS_MAX)] = ""
    import_sims: bool = False


class Wanted(Struct, frozen=True):
    """`claim_user` may stand here too, beside a file: the member of the team, by e-mail, whose the
    devices are to be that are nobody's."""

    claim_user: Annotated[str, Meta(max_length=EMAIL_CHARACTERS_MAX)] = ""


class Verdict(Struct, frozen=True, gc=False):
    """What becomes of a line: taken in, there already, an outsider's, or invalid for a reason."""

    device_id: str = ""
    updated: bool = False
    reason: str = ""
    nonmember: bool = False


class Decided(NamedTuple):
    """A verdict for each line of a chunk, and the events that make them true."""

    verdicts: list[Verdict]
    recorded: list[Recorded]


class Imported(Struct, frozen=True):
    """What an import answers: every line in exactly one list."""

    ok: bool
    updated: int
    existing: int
    invalid: int
    updatedDeviceIds: list[str]
    existingDeviceIds: list[str]
    nonmemberDeviceIds: list[str]
    invalidDeviceIds: list[str]
    protectedDeviceIds: list[str]
    invalidReasons: list[dict[str, Any]]
    invalidReasonsOmitted: int
    position: int | None


async def import_devices(
    call: Call, query: Wanted, body: Ids, files: Files
) -> Annotated[Response, Imported]:
    """Take devices into the product; also approves those that are quarantined or denied there."""
    product = await product_named(call)
    claim_for = await member_named(call, product, body.claim_user or query.claim_user)
    if files:
        lines = lines_of_file(one_file(files).rewind())
    else:
        lines = lines_of_list([body.id, *body.ids] if body.id is not None else body.ids)
        if not body.ids and body.id is None:
            raise FieldInvalid(field="id", reason="is missing: send id, ids, or a file")
    work = Import(call, product, claim_for)
    reply = await to_thread.run_sync(work.take, lines, limiter=call.cloud.long_writers)
    if work.position is not None:
        call.wrote(work.position)
    await call.settle()
    return Response(reply.to_json(work.position), media_type="application/json")


class Import:
    """One import at work, in a thread of its own."""

    def __init__(self, call: Call, product: ProductRow, claim_for: str = "") -> None:
        """`claim_for` is the user whose the devices are to be that are nobody's, if anybody's."""
        self.position: int | None = None
        self._fleet = call.cloud.fleet
        self._stopping = call.cloud.stopping
        self._product = product
        self._claim_for = claim_for
        self._owners = Owners(self._fleet, product)
        # Without a key nobody can take the import up again: a million events need not name it.
        self._command = call.command if call.keyed else ""
        self._provenance = replace(call.provenance, command=self._command)
        self._request_id = call.request_id
        self._reply = ImportReply()
        # Taken up where an earlier try died: what that one did counts as done by this one, once.
        self._updated_now: set[str] | None = set() if call.resumed else None

    def take(self, lines: Iterator[Line]) -> ImportReply:
        """Decide every line. Raises Stopping between two chunks; what is in stays in."""
        taken, said = 0, 0
        for chunk in in_chunks(lines):
            if self._stopping.is_set():
                raise Stopping
            self._take_chunk(chunk)
            taken += len(chunk)
            if taken - said >= PROGRESS_LINES:
                said = taken
                log.info("request %s: import has decided %d lines", self._request_id, taken)
        return self._reply

    def _take_chunk(self, chunk: list[Line]) -> None:
        """All events of a chunk are appended together, before any of its lines is called done."""
        for _ in range(ATTEMPTS_MAX):
            decided = self._decide(chunk)
            try:
                if decided.recorded:
                    refuse = partial(refuse_if_retired, self._product.product_id)
                    self.position = append(self._fleet, decided.recorded, refuse)
            except IntegrityError:
                continue  # somebody else wrote to one of these devices: look again
            for line, verdict in zip(chunk, decided.verdicts, strict=True):
                self._put(line, verdict)
            return
        raise Contended

    def _decide(self, chunk: list[Line]) -> Decided:
        ids = [device_id_of(line) for line in chunk]
        # In the order of the log's index, which is larger than what the server keeps in memory.
        wanted = sorted({device_id for device_id in ids if device_id is not None})
        loaded = load_many(self._fleet, [f"device-{device_id}" for device_id in wanted])
        elsewhere = self._of_other_platforms(wanted)
        self._owners.learn(one.state.ownership.owner for one in loaded.values())
        verdicts: dict[str, Verdict] = {}
        recorded: list[Recorded] = []
        for device_id in wanted:
            if device_id in elsewhere:
                reason = self._wrong_platform(elsewhere[device_id])
                verdicts[device_id] = Verdict(device_id, reason=reason)
                continue
            stream = f"device-{device_id}"
            before = loaded.get(stream) or Loaded(stream, 0, DEVICE.initial)
            verdicts[device_id] = self._decide_one(device_id, before, recorded)
        return Decided(in_turn(ids, verdicts), recorded)

    def _decide_one(self, device_id: str, before: Loaded, recorded: list[Recorded]) -> Verdict:
        owner = before.state.ownership.owner
        wanted = ImportDevice(
            device_id=device_id,
            product_id=self._product.product_id,
            owner_outside=owner if self._owners.outside(owner) else "",
        )
        try:
            entered = DEVICE.decide(before.state, wanted)
        except DeviceInAnotherProduct as refused:
            return Verdict(device_id, reason=str(refused))
        except DeviceOfOutsider:
            return Verdict(device_id, nonmember=True)
        claimed = [] if owner or not self._claim_for else self._claim(device_id, before.state)
        events = [*entered, *claimed]
        recorded.extend(to_record(before, events, self._provenance))
        if entered or self._was_before(device_id, before):
            return Verdict(device_id, updated=True)
        return Verdict(device_id)

    def _claim(self, device_id: str, device: Device) -> Sequence[DeviceEvent]:
        claim = ClaimDevice(device_id=device_id, user_id=self._claim_for, reachable=True)
        return DEVICE.decide(device, claim)

    def _was_before(self, device_id: str, before: Loaded) -> bool:
        """Whether an earlier try of this import took the device in, and nobody was told yet."""
        return (
            self._updated_now is not None
            and device_id not in self._updated_now
            and self._command in before.commands
        )

    def _of_other_platforms(self, device_ids: list[str]) -> dict[str, int]:
        """Those that said at a handshake that they are of another device type than the product."""
        with (
            self._fleet.recorder.datastore.get_connection() as connection,
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            params = [device_ids, self._product.platform_id]
            found: Any = cursor.execute(OTHER_PLATFORM, params, prepare=True).fetchall()
        return dict(found)

    def _wrong_platform(self, platform_id: int) -> str:
        return (
            f"wrong platform: the device is of platform {platform_id},"
            f" the product of platform {self._product.platform_id}"
        )

    def _put(self, line: Line, verdict: Verdict) -> None:
        if verdict.reason:
            self._reply.put_invalid(line.number, verdict.device_id or line.text, verdict.reason)
        elif verdict.nonmember:
            self._reply.nonmember.put(verdict.device_id)
        elif verdict.updated:
            self._reply.updated.put(verdict.device_id)
            if self._updated_now is not None:
                self._updated_now.add(verdict.device_id)
        else:
            self._reply.existing.put(verdict.device_id)


def in_turn(ids: list[str | None], verdicts: Mapping[str, Verdict]) -> list[Verdict]:
    """A verdict for every line; what is repeated is there already the second time."""
    seen: set[str] = set()
    found: list[Verdict] = []
    for device_id in ids:
        if device_id is None:
            found.append(Verdict(reason=NOT_AN_ID))
            continue
        verdict = verdicts[device_id]
        if device_id in seen and verdict.updated:
            verdict = Verdict(device_id)
        seen.add(device_id)
        found.append(verdict)
    return found


def refuse_if_retired(product_id: int, cursor: Cursor[tuple[Any, ...]]) -> None:
    """Under the log's lock, so that no device enters a product after it retired."""
    cursor.execute(TAKE_TURN)
    cursor.execute(RETIRED, [f"product-{product_id}", ProductRetired.TOPIC])
    if cursor.fetchone() is not None:
        raise ProductUnknown
