"""What stands in the stream of device events: who published it, and whose it is."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from device_edge.credentials import is_device_id
from device_edge.intake.device_event import AnyEvent, Read, read_message
from device_edge.reading import Entry
from domain.published import BY_API, PublishedByCloud, PublishedForOthers, PublishedFromLog
from domain.subjects import API, CLOUD, LOG

Other: TypeAlias = PublishedForOthers | PublishedByCloud


class Owner(NamedTuple):
    """Of which product a device speaks, whose it is, and the product's version that it runs."""

    product_id: int | None = None
    user_id: str | None = None
    version: int | None = None


NOBODY = Owner()


class Published(NamedTuple):
    """A message and the events in it that are to be stored.

    `read` is what a device said, who is told what became of it; `by` is who else published it, and
    was told already. `bytes` is the length of the message, its subject and all. `page` are the
    events of the log that it is made from, up to and with the second position.
    """

    sequence: int
    stored_ns: int
    device_id: str
    events: Sequence[AnyEvent]
    bytes: int = 0
    read: Read | None = None
    by: Other | None = None
    page: tuple[int, int] | None = None

    @property
    def publisher(self) -> str | None:
        match self.by:
            case PublishedByCloud(publisher=publisher):
                return publisher
            case PublishedForOthers():
                return BY_API
        return None

    @property
    def position(self) -> int | None:
        return self.by.position if isinstance(self.by, PublishedByCloud) else None

    def owner(self, devices: Mapping[str, Owner]) -> Owner:
        """Whose events they are, given whose the devices are."""
        device = devices.get(self.device_id, NOBODY)
        match self.by:
            case None:
                return device
            case PublishedForOthers(product_id=None, user_id=user_id):
                return Owner(user_id=user_id or None)
            case PublishedForOthers(product_id=product_id):
                runs = device.version if device.product_id == product_id else None
                return Owner(product_id, device.user_id, runs)
            case PublishedByCloud(product_id=None, user_id="", version=version):
                return device if version is None else device._replace(version=version)
            case PublishedByCloud(product_id=product_id, user_id=user_id, version=version):
                return Owner(product_id, user_id or None, version)


def published_by(entry: Entry) -> list[Published]:
    """Nothing where neither a device nor the API nor the cloud published it."""
    speaker = entry.subject.split(".", 2)[1]
    if is_device_id(speaker):
        read = read_message(entry.data)
        size = len(entry.subject) + len(entry.data)
        return [Published(entry.sequence, entry.stored_ns, speaker, read.events, size, read)]
    read_other = OTHERS.get(speaker)
    if read_other is None:
        return []
    try:
        return read_other(entry)
    except msgspec.MsgspecError as error:
        # One of our own processes wrote it. It must not stop what devices say.
        print(f"{entry.subject} cannot be read: {error}", file=sys.stderr, flush=True)
        return []


decode_for_others = msgspec.json.Decoder(PublishedForOthers).decode
decode_by_cloud = msgspec.json.Decoder(PublishedByCloud).decode
decode_from_log = msgspec.json.Decoder(PublishedFromLog).decode


def by_api(entry: Entry) -> list[Published]:
    by = decode_for_others(entry.data)
    device_id = by.device_id or API
    return [Published(entry.sequence, entry.stored_ns, device_id, [by.event], by=by)]


def by_cloud(entry: Entry) -> list[Published]:
    return [of_cloud(entry, decode_by_cloud(entry.data))]


def from_log(entry: Entry) -> list[Published]:
    page = decode_from_log(entry.data)
    return [of_cloud(entry, by, (page.after, page.until)) for by in page.published]


def of_cloud(entry: Entry, by: PublishedByCloud, page: tuple[int, int] | None = None) -> Published:
    device_id = by.device_id or API
    return Published(entry.sequence, entry.stored_ns, device_id, by.events, by=by, page=page)


OTHERS: dict[str, Callable[[Entry], list[Published]]] = {
    API: by_api,
    CLOUD: by_cloud,
    LOG: from_log,
}
