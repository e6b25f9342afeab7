"""What is uploaded as firmware: a bare binary, or a .zip of it with the assets it asks for."""

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from msgspec import Struct

from domain.binary import Binary, read_binary
from domain.binary_records import BinaryRefused
from domain.names import FIRMWARE_BYTES_MAX

BUNDLE_BYTES_MAX = FIRMWARE_BYTES_MAX
# A small .zip may unpack to anything, so this is counted while unpacking, not believed.
UNPACKED_BYTES_MAX = 2 * FIRMWARE_BYTES_MAX
# An entry of the directory costs a hundred times its bytes once read.
DIRECTORY_BYTES_MAX = 64 * 1024
NAME_CHARACTERS_SHOWN = 80

ZIP_START = b"PK\x03\x04"
DIRECTORY_END = struct.Struct("<4s8xIIH")  # signature, directory's size and place, comment's size
DIRECTORY_END_SIGNATURE = b"PK\x05\x06"
ZIP64_LOCATOR_SIGNATURE = b"PK\x06\x07"
ZIP64_LOCATOR_BYTES = 20
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

ASSETS = "assets/"
# All that the zip module raises for bytes that are no .zip file.
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError)


class BundleTooLarge(BinaryRefused):
    """The bundle has {size_bytes} bytes; {limit_bytes} are taken."""


class BundleUnpacksTooLarge(BinaryRefused):
    """The bundle unpacks to more than {limit_bytes} bytes."""


class BundleBroken(BinaryRefused):
    """The bundle is not a whole .zip file of the plain kind: {reason}."""


class BundleEntryUnexpected(BinaryRefused):
    """The bundle holds {name}, which is neither one .bin at its top, nor under assets/."""


class BundleEntryRepeated(BinaryRefused):
    """The bundle holds {name} twice."""


class BundleWithoutApplication(BinaryRefused):
    """The bundle must hold exactly one .bin at its top; it holds {found}."""


class AssetMissing(BinaryRefused):
    """The application asks for the asset {name}, which was not uploaded with it (upload a .zip of
    the application and a folder assets/)."""


class AssetUnasked(BinaryRefused):
    """The bundle holds the asset {name}, which its application does not ask for."""


class AssetWrong(BinaryRefused):
    """The application asks for the asset {name} with SHA-256 {wanted}, the bundle's has {found}."""


class Upload(Struct, frozen=True):
    """An application whole with its assets: what it says, its bytes, its assets' bytes by name."""

    binary: Binary
    application: bytes
    assets: dict[str, bytes]


def read_upload(content: bytes) -> Upload:
    """Reads a .bin or a .zip. Raises a BinaryRefused, and nothing else, for anything that is not
    one whole binary with exactly the assets it asks for."""
    assets: dict[str, bytes] = {}
    application = content
    if content.startswith(ZIP_START):
        application, assets = _unpack(content)
    binary = read_binary(application)
    _check_assets(binary, assets)
    return Upload(binary, application, assets)


def _check_assets(binary: Binary, assets: Mapping[str, bytes]) -> None:
    for asset in binary.assets:
        if asset.name not in assets:
            raise AssetMissing(name=_shown(asset.name))
        found = hashlib.sha256(assets[asset.name]).hexdigest()
        if found != asset.sha256:
            raise AssetWrong(name=_shown(asset.name), wanted=asset.sha256, found=found)
    for name in sorted(assets.keys() - {asset.name for asset in binary.assets}):
        raise AssetUnasked(name=_shown(name))


def _unpack(content: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The application of a bundle, and its assets by name."""
    if len(content) > BUNDLE_BYTES_MAX:
        raise BundleTooLarge(size_bytes=len(content), limit_bytes=BUNDLE_BYTES_MAX)
    _check_directory_size(content)
    applications: list[bytes] = []
    assets: dict[str, bytes] = {}
    for name, unpacked in _entries(content).items():
        if name.startswith(ASSETS) and "/" not in name.removeprefix(ASSETS):
            assets[name.removeprefix(ASSETS)] = unpacked
        elif "/" not in name and name.lower().endswith(".bin"):
            applications.append(unpacked)
        elif name != "env.json" and not name.startswith("env/"):
            # Variables may lie there for people to read; devices get them as an asset.
            raise BundleEntryUnexpected(name=_shown(name))
    if len(applications) != 1:
        raise BundleWithoutApplication(found=len(applications))
    return applications[0], assets


def _check_directory_size(content: bytes) -> None:
    """The directory is read whole by the zip module, so its size is looked at before."""
    at = len(content) - DIRECTORY_END.size
    if at < 0:
        raise BundleBroken(reason="it is too short")
    signature, directory_bytes, _, comment_bytes = DIRECTORY_END.unpack_from(content, at)
    if signature != DIRECTORY_END_SIGNATURE or comment_bytes:
        raise BundleBroken(reason="it does not end with a directory, or ends with a comment")
    if directory_bytes > DIRECTORY_BYTES_MAX:
        raise BundleBroken(
            reason=f"its directory has {directory_bytes} bytes, {DIRECTORY_BYTES_MAX} are taken"
        )
    if content[max(at - ZIP64_LOCATOR_BYTES, 0) :].startswith(ZIP64_LOCATOR_SIGNATURE):
        raise BundleBroken(reason="it is a ZIP64 file")


def _entries(content: bytes) -> dict[str, bytes]:
    """Every file of the bundle by its name."""
    unpacked: dict[str, bytes] = {}
    room_bytes = UNPACKED_BYTES_MAX
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            for entry in bundle.infolist():
                if entry.filename.endswith("/"):  # a folder; is_dir() breaks on an empty name
                    continue
                if entry.filename in unpacked:
                    raise BundleEntryRepeated(name=_shown(entry.filename))
                unpacked[entry.filename] = _unpack_entry(bundle, entry, room_bytes)
                room_bytes -= len(unpacked[entry.filename])
    except BROKEN as error:
        raise BundleBroken(reason=str(error)[:NAME_CHARACTERS_SHOWN] or "it ends early") from None
    return unpacked


def _unpack_entry(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo, room_bytes: int) -> bytes:
    if entry.flag_bits & ENCRYPTED:
        raise BundleBroken(reason=f"{_shown(entry.filename)} is encrypted")
    if entry.compress_type not in METHODS:
        raise BundleBroken(reason=f"{_shown(entry.filename)} is packed by another way than deflate")
    with bundle.open(entry) as packed:
        unpacked = packed.read(room_bytes + 1)
    if len(unpacked) > room_bytes:
        raise BundleUnpacksTooLarge(limit_bytes=UNPACKED_BYTES_MAX)
    return unpacked


def _shown(name: str) -> str:
    return repr(name[:NAME_CHARACTERS_SHOWN])
