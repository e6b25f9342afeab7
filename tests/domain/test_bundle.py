"""What is uploaded as firmware: a bare binary, or a .zip of it with the assets it asks for."""

import hashlib
import io
import struct
import warnings
import zipfile

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from domain.binary import CrcWrong
from domain.binary_records import BinaryRefused
from domain.bundle import (
    BUNDLE_BYTES_MAX,
    UNPACKED_BYTES_MAX,
    AssetMissing,
    AssetUnasked,
    AssetWrong,
    BundleBroken,
    BundleEntryRepeated,
    BundleEntryUnexpected,
    BundleTooLarge,
    BundleUnpacksTooLarge,
    BundleWithoutApplication,
    read_upload,
)
from rollcall.sample_firmware import build
from tests.binaries import altered, record

CAT, DOG = b"a picture of a cat", b"a picture of a dog"
BARE = build(product_id=94, version=3, platform_id=32, extension=True)


def asking_for(**assets: bytes) -> bytes:
    asked = b"".join(
        record(0x12, b"\0\x20" + hashlib.sha256(content).digest() + name.encode())
        for name, content in assets.items()
    )
    return altered(BARE, product=asked + record(1, struct.pack("<HHH", 0xFFFF, 94, 3)))


def zipped(entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as bundle:
        for name, content in entries.items():
            with bundle.open(zip_entry(name, method), "w") as entry:
                entry.write(content)
    return file.getvalue()


def zip_entry(name: str, method: int) -> zipfile.ZipInfo:
    # writestr() would not take the empty name that a hostile file may have.
    entry = zipfile.ZipInfo(name)
    entry.compress_type = method
    return entry


WHOLE = {"app.bin": asking_for(cat=CAT, dog=DOG), "assets/cat": CAT, "assets/dog": DOG}


def test_a_bare_binary_is_read():
    upload = read_upload(BARE)
    assert (upload.binary.product_id, upload.application, upload.assets) == (94, BARE, {})


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_bundle_is_read_as_its_application_and_its_assets(method):
    upload = read_upload(zipped(WHOLE, method))
    assert upload.application == WHOLE["app.bin"]
    assert upload.assets == {"cat": CAT, "dog": DOG}
    assert {asset.name for asset in upload.binary.assets} == {"cat", "dog"}


def test_a_bundle_that_was_streamed_without_sizes_before_the_bytes_is_read():
    file = Unseekable()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in WHOLE.items():
            bundle.writestr(name, content)
    assert read_upload(file.getvalue()).assets == {"cat": CAT, "dog": DOG}


@pytest.mark.parametrize("name", ["env.json", "env/env-vars.json", "assets/"])
def test_variables_and_folders_may_lie_in_a_bundle(name):
    assert read_upload(zipped(WHOLE | {name: b""})).application == WHOLE["app.bin"]


def test_an_asset_that_was_not_uploaded_is_refused_naming_it():
    assert "the asset 'cat'" in refused(WHOLE["app.bin"], AssetMissing)
    assert "the asset 'dog'" in refused(zipped(without("assets/dog")), AssetMissing)


def test_an_asset_with_another_digest_is_refused_naming_both():
    said = refused(zipped(WHOLE | {"assets/dog": CAT}), AssetWrong)
    assert "the asset 'dog'" in said
    assert f"SHA-256 {hashlib.sha256(DOG).hexdigest()}" in said
    assert f"has {hashlib.sha256(CAT).hexdigest()}" in said


def test_an_asset_that_nobody_asks_for_is_refused_naming_it():
    assert "the asset 'cow'" in refused(zipped(WHOLE | {"assets/cow": CAT}), AssetUnasked)


def test_a_bundle_has_exactly_one_application():
    said = refused(zipped(without("app.bin")), BundleWithoutApplication)
    assert said.endswith("it holds 0.")
    said = refused(zipped(WHOLE | {"other.BIN": BARE}), BundleWithoutApplication)
    assert said.endswith("it holds 2.")


def test_a_damaged_application_in_a_bundle_is_refused_as_such():
    refused(zipped(WHOLE | {"app.bin": WHOLE["app.bin"][:-4] + bytes(4)}), CrcWrong)


@pytest.mark.parametrize(
    "name", ["", "readme.txt", "assets/deep/cat", "../app.bin", "/etc/app.bin", "env.jsonx"]
)
def test_anything_else_in_a_bundle_is_refused_naming_it(name):
    said = refused(zipped(WHOLE | {name: b"x"}), BundleEntryUnexpected)
    assert repr(name) in said


def test_an_entry_that_stands_there_twice_is_refused():
    file = io.BytesIO(zipped(WHOLE))
    with warnings.catch_warnings(), zipfile.ZipFile(file, "a") as bundle:
        warnings.simplefilter("ignore")
        bundle.writestr("assets/cat", DOG)
    assert "'assets/cat' twice" in refused(file.getvalue(), BundleEntryRepeated)


def test_a_bundle_that_unpacks_to_too_much_is_refused_whatever_it_says_of_its_sizes():
    bomb = zipped(WHOLE | {"assets/cow": bytes(UNPACKED_BYTES_MAX)})
    assert len(bomb) < 100_000
    refused(bomb, BundleUnpacksTooLarge)
    lying = bytearray(bomb)
    size_at = lying.rindex(b"PK\1\2") + 24  # of the last entry, in the directory
    lying[size_at : size_at + 4] = struct.pack("<I", 100)
    refused(bytes(lying), BundleBroken, BundleUnpacksTooLarge)


def test_a_bundle_that_is_too_large_is_refused():
    said = refused(b"PK\3\4" + bytes(BUNDLE_BYTES_MAX), BundleTooLarge)
    assert "16777220 bytes; 16777216 are taken" in said


def test_a_bundle_with_too_many_entries_is_refused_before_they_are_read():
    many = zipped(WHOLE | {f"assets/{number}": b"" for number in range(2000)})
    assert "its directory has" in refused(many, BundleBroken)


def test_a_bundle_packed_in_a_way_that_devices_tools_do_not_use_is_refused():
    said = refused(zipped(WHOLE, zipfile.ZIP_BZIP2), BundleBroken)
    assert "'app.bin' is packed by another way than deflate" in said
    encrypted = bytearray(zipped(WHOLE))
    encrypted[encrypted.index(b"PK\1\2") + 8] |= 1
    assert "'app.bin' is encrypted" in refused(bytes(encrypted), BundleBroken)
    assert "comment" in refused(zipped(WHOLE) + b"more", BundleBroken)
    zip64 = zipped(WHOLE)[:-22] + b"PK\6\7" + bytes(16) + zipped(WHOLE)[-22:]
    assert "ZIP64" in refused(zip64, BundleBroken)


def test_every_truncation_of_a_bundle_is_refused():
    whole = zipped(WHOLE)
    for size_bytes in range(len(whole)):
        refused(whole[:size_bytes], BinaryRefused)


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_a_damaged_bundle_is_read_or_refused_and_nothing_worse(data):
    whole = bytearray(zipped(WHOLE))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert read_upload(bytes(whole)).assets == {"cat": CAT, "dog": DOG}
    except BinaryRefused:
        event("refused")


def without(name: str) -> dict[str, bytes]:
    return {other: content for other, content in WHOLE.items() if other != name}


def refused(content: bytes, *refusals: type[BinaryRefused]) -> str:
    """What is said when this upload is refused for one of these reasons."""
    with pytest.raises(refusals) as caught:
        read_upload(content)
    return str(caught.value)


class Unseekable(io.BytesIO):
    """A stream, to which sizes are written behind the bytes, as the vendor's tools do."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def seek(self, *_: int) -> int:
        raise OSError
