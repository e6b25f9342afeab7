"""What an edge knows: the facts of every device, product and firmware, as of one position.

Devices whose facts are the same share one cell, so a million of them fit into some 100 megabytes.
"""

from collections.abc import Mapping
from typing import TypeVar, cast
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from domain.facts import DeviceFacts, ProductFacts
from domain.subjects import facts_of_device, facts_of_firmware, facts_of_product

DEVICE = facts_of_device("")
PRODUCT = facts_of_product(0).removesuffix("0")
FIRMWARE = facts_of_firmware(0, 0).removesuffix("0.0")
DEVICE_ID_CHARACTERS = 24

K = TypeVar("K")
V = TypeVar("V")

decode_device = msgspec.json.Decoder(DeviceFacts).decode
decode_product = msgspec.json.Decoder(ProductFacts).decode


class FirmwareFacts(Struct, frozen=True):
    """Where one version's bytes are found."""

    sha256: str
    size_bytes: int


decode_firmware = msgspec.json.Decoder(FirmwareFacts).decode


class Cell:
    """The facts of all devices that have these facts. Gone when the last of them has others."""

    __slots__ = ("__weakref__", "facts")

    def __init__(self, facts: DeviceFacts) -> None:
        self.facts = facts


class Batch:
    """Facts that have arrived, and wait for the head that says they are complete. None: deleted.

    The last one counts, so a batch is never larger than everything known.
    """

    def __init__(self, cells: WeakValueDictionary[bytes, Cell]) -> None:
        self.devices: dict[bytes, Cell | None] = {}
        self.products: dict[int, ProductFacts | None] = {}
        self.firmware: dict[tuple[int, int], FirmwareFacts | None] = {}
        self._cells = cells

    def put(self, subject: str, fact: bytes) -> None:
        """One fact, as the announcer published it; an empty one says that there is none now."""
        if subject.startswith(DEVICE):
            self.devices[bytes.fromhex(subject[len(DEVICE) :])] = self._cell(fact) if fact else None
        elif subject.startswith(PRODUCT):
            product_id = int(subject[len(PRODUCT) :])
            self.products[product_id] = decode_product(fact) if fact else None
        elif subject.startswith(FIRMWARE):
            product, version = subject[len(FIRMWARE) :].split(".")
            self.firmware[int(product), int(version)] = decode_firmware(fact) if fact else None

    def _cell(self, fact: bytes) -> Cell:
        # By the bytes as they come: most devices' facts are never decoded.
        cell = self._cells.get(fact)
        if cell is None:
            cell = self._cells[fact] = Cell(decode_device(fact))
        return cell


class Known:
    """All facts, exactly as the log had them at `position`. Empty before the first head."""

    def __init__(self) -> None:
        self.position = 0
        self.devices: dict[bytes, Cell] = {}
        self.products: dict[int, ProductFacts] = {}
        self.firmware: dict[tuple[int, int], FirmwareFacts] = {}
        self.applied = 0  # counts batches: what was decided before the last one may be outdated
        self._cells: WeakValueDictionary[bytes, Cell] = WeakValueDictionary()
        self._products_with: dict[str, set[int]] = {}

    def batch(self) -> Batch:
        """An empty one to gather facts in."""
        return Batch(self._cells)

    def apply(self, batch: Batch, position: int, *, anew: bool) -> None:
        """Take the batch over, all of it at once. `anew`: it is everything, forget the rest.

        What the batch holds is ours from then on.
        """
        if anew:
            self.devices, self.products, self.firmware = {}, {}, {}
        self.applied += 1
        self.devices = merge(self.devices, batch.devices)
        self.products = merge(self.products, batch.products)
        self.firmware = merge(self.firmware, batch.firmware)
        if anew or batch.firmware:
            self._products_with = products_by_content(self.firmware)
        self.position = position

    def facts_of(self, device_id: str) -> DeviceFacts | None:
        cell = self.devices.get(bytes.fromhex(device_id))
        return cell.facts if cell else None

    def products_with(self, sha256: str) -> list[ProductFacts]:
        """The products that have these bytes as one of their versions."""
        found = self._products_with.get(sha256, ())
        return [self.products[one] for one in found if one in self.products]


def products_by_content(firmware: Mapping[tuple[int, int], FirmwareFacts]) -> dict[str, set[int]]:
    """The ids of the products that have a binary, by its SHA-256."""
    found: dict[str, set[int]] = {}
    for (product_id, _), facts in firmware.items():
        found.setdefault(facts.sha256, set()).add(product_id)
    return found


def merge(known: dict[K, V], news: dict[K, V | None]) -> dict[K, V]:
    """What is known, with the news: the smaller goes into the larger, so that it costs little.

    A million devices read at the start are so never held twice, which memory would not forget.
    """
    if len(news) <= len(known):
        for key, value in news.items():
            if value is None:
                known.pop(key, None)
            else:
                known[key] = value
        return known
    for key, before in known.items():
        news.setdefault(key, before)
    for key in [key for key, value in news.items() if value is None]:
        del news[key]
    return cast("dict[K, V]", news)
