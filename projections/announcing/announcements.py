"""Targeting facts for the edges: whatever changed in the fleet model goes into stream FACTS.

Each batch is closed by `facts.head`, the position that all facts before it are as of. That message,
read back, is also how we know where we are: a NATS that lost everything is simply filled again.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import Connection, Cursor

from domain.subjects import (
    FACTS_HEAD,
    FACTS_STREAM,
    facts_of_device,
    facts_of_firmware,
    facts_of_product,
)
from projections.announcing.link import STORE_MESSAGES_MAX, Link, Message, StreamState
from projections.announcing.streams import FACTS, identity_of_log
from projections.fleet.rows import DeviceRow, ProductRow
from projections.fleet.tables import columns
from projections.snapshots import snapshot
from projections.tracking import FOLLOWED, Tracking
from projections.trouble import NatsTrouble

STREAM_CHECK_S = 2.0  # how often we look whether the stream is still the one we filled
HEAD_EVERY_S = 0.1  # at most, while only the position moves and no fact does
STORE_ATTEMPTS_MAX = 5
DEVICES_FETCHED = 2_000
NOTHING = -1  # announced: not even that there is nothing
FORMAT = 2  # another one where the same events lead to other facts: all are then announced anew

PRODUCTS = "SELECT {} FROM fleet.product WHERE facts_position > %s ORDER BY facts_position"
FIRMWARE = """
    SELECT product_id, version, sha256, size_bytes, deleted FROM fleet.firmware
    WHERE facts_position > %s ORDER BY facts_position
"""
DEVICES = """
    SELECT device_id, product_id, forced, stuck_version, removed_from, owner,
           standing, groups, locked_version, development
    FROM fleet.device LEFT JOIN fleet.cohort USING (product_id, cohort_id)
    WHERE facts_position > %s ORDER BY facts_position
"""

encode = msgspec.json.Encoder().encode


class Head(Struct, frozen=True):
    """The facts before it are as of `position` of the log that `log` tells from others."""

    position: int
    log: str = ""
    format: int = 1


class FirmwareFacts(Struct, frozen=True):
    sha256: str
    size_bytes: int


class Announcements:
    """The task of keeping FACTS where the fleet model is."""

    name = "announcements"
    channel = FOLLOWED
    rest_s = 0.0

    def __init__(self, link: Link) -> None:
        self._link = link
        self._fleet = Tracking("fleet", "fleet")
        self._stream: StreamState | None = None
        self._last_sequence = 0
        self._announced = NOTHING
        self._checked_at = 0.0
        self._head_at = 0.0

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        self._stream = None
        self._checked_at = 0.0

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Announce what has changed; more often than that, only look."""
        if time.monotonic() - self._checked_at > STREAM_CHECK_S:
            self._check_stream(connection)
        with connection.cursor(binary=True) as cursor:
            if self._fleet.position(cursor) <= self._announced:
                return False
        with snapshot(connection, "fleet"):
            self._announce(connection)
        return True

    def _check_stream(self, connection: Connection[tuple[Any, ...]]) -> None:
        """Find our place again if the stream is not the one we knew; empty it of what others put
        there, of another log or in another format."""
        found = self._link.state_of(FACTS)
        if self._stream is None or found.created != self._stream.created:
            head = self._read_head()
            with connection.cursor(binary=True) as cursor:
                ours = identity_of_log(cursor)
            if head is not None and (head.log not in {"", ours} or head.format != FORMAT):
                found, head = self._link.remake(FACTS), None
            self._stream = found
            self._last_sequence = found.last_sequence
            self._announced = NOTHING if head is None else head.position
        self._checked_at = time.monotonic()

    def _read_head(self) -> Head | None:
        message = self._link.last_message(FACTS_STREAM, FACTS_HEAD)
        return None if message is None else msgspec.json.decode(message.data or b"", type=Head)

    def _announce(self, connection: Connection[tuple[Any, ...]]) -> None:
        """Everything changed since the last head, and a head that closes it."""
        with connection.cursor(binary=True) as cursor:
            head = Head(self._fleet.position(cursor), identity_of_log(cursor), FORMAT)
            messages = changed_facts(connection, cursor, self._announced)
            batch = list(islice(messages, STORE_MESSAGES_MAX - 1))
            if not batch:
                time.sleep(max(0.0, self._head_at + HEAD_EVERY_S - time.monotonic()))
            while len(batch) == STORE_MESSAGES_MAX - 1:
                self._store(cursor, batch)
                batch = list(islice(messages, STORE_MESSAGES_MAX - 1))
            self._store(cursor, [*batch, Message(FACTS_HEAD, encode(head))])
        self._announced = head.position
        self._head_at = time.monotonic()

    def _store(self, cursor: Cursor[tuple[Any, ...]], batch: list[Message]) -> None:
        """All of it, or again: the last message is only stored if every one before it was."""
        for attempt in range(STORE_ATTEMPTS_MAX):
            try:
                self._last_sequence = self._link.store(batch, self._last_sequence)
                return
            except NatsTrouble:
                if attempt == STORE_ATTEMPTS_MAX - 1:
                    raise
            # While this connection lives its lock is ours, and nobody else announces.
            cursor.execute("SELECT 1")
            found = self._link.state_of(FACTS)
            if self._stream is None or found.created != self._stream.created:
                raise NatsTrouble("FACTS was made anew meanwhile")
            self._last_sequence = found.last_sequence


def changed_facts(
    connection: Connection[tuple[Any, ...]], cursor: Cursor[tuple[Any, ...]], since: int
) -> Iterator[Message]:
    """One message for each thing whose facts changed after that position: kind by kind, in order.

    A position of 0 on a row means that no edge needs to know of it.
    """
    after = [max(since, 0)]
    fields = columns(ProductRow.__struct_fields__).as_string()
    for values in cursor.execute(PRODUCTS.format(fields).encode(), after, prepare=True).fetchall():
        product = ProductRow(*values)
        yield Message(facts_of_product(product.product_id), encode(product.facts()))
    for product_id, version, *told, deleted in cursor.execute(FIRMWARE, after).fetchall():
        # An empty message: the version is no more.
        payload = b"" if deleted else encode(FirmwareFacts(*told))
        yield Message(facts_of_firmware(product_id, version), payload)
    with connection.cursor("devices", binary=True) as found:
        found.itersize = DEVICES_FETCHED
        yield from map(device_message, found.execute(DEVICES, after))


def device_message(values: Iterable[Any]) -> Message:
    device_id, product_id, forced, stuck, removed_from, owner, *cohort = values
    row = DeviceRow(
        device_id=device_id,
        product_id=product_id,
        forced=forced,
        stuck_version=stuck,
        removed_from=tuple(removed_from),
        owner=owner,
    )
    if product_id is not None:
        row.standing, groups, row.locked_version, row.development = cohort
        row.groups = tuple(groups)
    return Message(facts_of_device(device_id), encode(row.facts()))
