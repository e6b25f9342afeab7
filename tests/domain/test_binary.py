"""Reading firmware binaries of our own making: what is read, what is refused, and why."""

import struct
import zlib

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from domain.binary import (
    BINARY_BYTES_MIN,
    Binary,
    BinaryTooLarge,
    BinaryTooShort,
    CrcWrong,
    LengthWrong,
    SeveralModules,
    Sha256Wrong,
    SuffixSizeWrong,
    read_binary,
)
from domain.binary_records import (
    RECORDS_MAX,
    Asset,
    BinaryRefused,
    Dependency,
    ExtensionMalformed,
)
from domain.names import FIRMWARE_BYTES_MAX
from rollcall.sample_firmware import build, seal
from tests.binaries import altered, record, with_right_sums

SAMPLE = build(product_id=12345, version=7, platform_id=13, size_bytes=300)
PRODUCT_RECORD = record(1, struct.pack("<HHH", 0xFFFF, 12345, 7))
DIGEST = bytes(range(32))
ids = st.integers(0, 0xFFFF)
quick = settings(deadline=None, max_examples=200)


@quick
@given(
    product_id=ids,
    version=ids,
    platform_id=ids,
    size_bytes=st.integers(78, 5000),
    extension=st.booleans(),
    seed=st.integers(0, 2**64),
)
def test_what_was_built_is_read_back(product_id, version, platform_id, size_bytes, extension, seed):
    content = build(product_id, version, platform_id, size_bytes, extension=extension, seed=seed)
    binary = read_binary(content)
    assert len(content) == binary.size_bytes == size_bytes
    assert (binary.product_id, binary.product_version) == (product_id, version)
    assert (binary.platform_id, binary.module_function, binary.module_index) == (platform_id, 5, 1)
    assert binary.dependencies == (Dependency(4, 1, 6305),)
    assert binary.sha256_app == content[-38:-6].hex()
    assert [found.kind for found in binary.extensions] == ([1] if extension else [])


def test_the_same_arguments_build_the_same_bytes_and_another_seed_others():
    assert build(94, 1, 6) == build(94, 1, 6)
    assert build(94, 1, 6) != build(94, 1, 6, seed=1)


@pytest.mark.parametrize(
    "wrong",
    [{"product_id": 65536}, {"version": -1}, {"platform_id": 65536}, {"size_bytes": 67}],
)
def test_what_does_not_fit_the_format_is_not_built(wrong):
    with pytest.raises(ValueError):
        build(**{"product_id": 94, "version": 1, "platform_id": 6} | wrong)


def test_every_flip_of_every_byte_is_refused():
    for at in range(len(SAMPLE)):
        for flip in range(1, 256):
            flipped = bytearray(SAMPLE)
            flipped[at] ^= flip
            refused(bytes(flipped), CrcWrong, SeveralModules)


def test_every_truncation_is_refused_even_with_right_sums():
    for size_bytes in range(len(SAMPLE)):
        refused(SAMPLE[:size_bytes], BinaryTooShort, CrcWrong)
    for size_bytes in range(BINARY_BYTES_MIN, len(SAMPLE)):
        refused(with_right_sums(SAMPLE[:size_bytes]), LengthWrong)


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=1000))
def test_arbitrary_bytes_are_refused_and_nothing_worse(content):
    refused(content, BinaryRefused)


@settings(deadline=None, max_examples=1000)
@given(
    body=st.binary(min_size=24, max_size=200),
    area=st.lists(st.tuples(ids, st.binary(max_size=20))),
    suffix_bytes=st.none() | ids,
    header=st.fixed_dictionaries({"flags": st.integers(0, 255), "function": st.integers(0, 255)}),
)
def test_arbitrary_fields_with_right_sums_are_read_or_refused(body, area, suffix_bytes, header):
    product = b"".join(record(kind, content) for kind, content in area)
    content = altered(SAMPLE, product=product, **header)
    if suffix_bytes is not None:
        content = seal(content[:-38], suffix_bytes)
    for candidate in (content, seal(body, suffix_bytes or 36)):
        try:
            assert isinstance(read_binary(candidate), Binary)
        except BinaryRefused:
            event("refused")


def test_a_file_too_short_or_too_large_is_refused_with_the_limit():
    said = refused(bytes(63), BinaryTooShort)
    assert said == "The file has 63 bytes; the shortest firmware binary has 64."
    said = refused(bytes(FIRMWARE_BYTES_MAX + 1), BinaryTooLarge)
    assert "16777217" in said
    assert "16777216" in said


def test_a_wrong_crc_is_refused_naming_both():
    said = refused(SAMPLE[:-4] + bytes(4), CrcWrong)
    assert f"the binary says 00000000, its bytes give {SAMPLE[-4:].hex()}" in said


def test_a_wrong_digest_under_a_right_crc_is_refused_naming_both():
    wrong = seal(SAMPLE[:-38], 40)[:-38] + bytes(32) + SAMPLE[-6:-4]
    said = refused(with_right_crc(wrong), Sha256Wrong)
    assert f"the binary says {'00' * 32}, its bytes give {SAMPLE[-38:-6].hex()}" in said


def test_a_declared_length_that_is_not_the_files_is_refused_naming_both():
    said = refused(altered(SAMPLE, start=0x8000, end=0x8000 + 400), LengthWrong)
    assert "0x8000 to 0x8190, which is 404 bytes with its CRC, but the file has 300" in said


@pytest.mark.parametrize("suffix_bytes", [0, 35, 37, 39, 273, 65535])
def test_a_suffix_of_unknown_size_is_refused_naming_it(suffix_bytes):
    said = refused(seal(SAMPLE[:-38], suffix_bytes), SuffixSizeWrong)
    assert f"has {suffix_bytes} bytes" in said
    assert "room for 272" in said


def test_a_suffix_without_product_block_has_no_product():
    binary = read_binary(altered(SAMPLE, product=b""))
    assert (binary.suffix_bytes, binary.product_id, binary.product_version) == (36, None, None)


def test_several_modules_in_one_file_are_refused_as_such():
    said = refused(altered(SAMPLE, flags=0x04) + SAMPLE, SeveralModules)
    assert "the first of 300 bytes out of 600" in said


def test_several_modules_of_which_the_first_is_damaged_are_refused_for_their_crc():
    first = altered(SAMPLE, flags=0x04)
    refused(first[:-4] + bytes(4) + SAMPLE, CrcWrong)


def test_a_module_behind_the_vectors_of_its_chip_is_read_where_it_stands():
    header = altered(SAMPLE, function=4, end=0xB4000 + 0x200 + 300 - 4)
    binary = read_binary(seal(bytes(0x200) + header[:-38], 40))
    assert (binary.header_offset, binary.module_function) == (0x200, 4)


@pytest.mark.parametrize(
    ("area", "product_id"),
    [
        (PRODUCT_RECORD, 12345),
        (record(0x11, b"a name") + PRODUCT_RECORD, 12345),
        (record(0x11, b"a name") + record(0, b"") + struct.pack("<HH", 12345, 7), 12345),
        (record(0x7777, b"of a kind that is not known yet"), None),
        (record(0x11, b"a name") + record(0, b"padding"), None),
    ],
)
def test_product_id_and_version_stand_last_in_the_suffix(area, product_id):
    binary = read_binary(altered(SAMPLE, product=area))
    assert (binary.product_id, binary.product_version) == (product_id, product_id and 7)


def test_records_of_the_header_are_read_before_those_of_the_suffix():
    asset = record(0x12, b"\0\x20" + DIGEST + b"cat.jpg")
    records = asset + record(3, struct.pack("<BBHI", 8, 0, 9, 0))
    binary = read_binary(with_header_records(records + record(0, b"\0\0\0")))
    assert binary.assets == (Asset("cat.jpg", DIGEST.hex()),)
    assert binary.dependencies == (Dependency(4, 1, 6305), Dependency(8, 0, 9))
    assert [found.kind for found in binary.extensions] == [0x12, 3, 0]
    assert (binary.product_id, binary.product_version) == (12345, 7)


@pytest.mark.parametrize(
    ("at", "area", "reason"),
    [
        (256, b"\x11\0\3\0" + PRODUCT_RECORD, "says it has 3 bytes"),
        (256, b"\x11\0\x0f\0" + PRODUCT_RECORD, "says it has 15 bytes, out of 14"),
        (260, record(0x11, b"") + b"\x11", "only 1 bytes are left"),
        (256, PRODUCT_RECORD + record(0x11, b"a name"), "product data must come last"),
        (256, record(1, bytes(10)), "product data must come last"),
        (264, record(0x11, b"") + record(0, b"") + b"\0\0\0", "3 bytes follow the last record"),
        (1280, record(0x11, b"") * (RECORDS_MAX + 1), "more than 256 records"),
        (256, record(3, b"\4\1") + PRODUCT_RECORD, "too short for a dependency"),
        (256, record(0x12, b"\1\x20" + DIGEST + b"a") + PRODUCT_RECORD, "SHA-256 digest"),
        (256, record(0x12, b"\0\x14" + DIGEST + b"a") + PRODUCT_RECORD, "SHA-256 digest"),
        (256, record(0x12, b"\0\x20" + DIGEST) + PRODUCT_RECORD, "has 0 bytes"),
        (256, record(0x12, b"\0\x20" + DIGEST + bytes(256)) + PRODUCT_RECORD, "has 256 bytes"),
        (256, record(0x12, b"\0\x20" + DIGEST + b"\xff") + PRODUCT_RECORD, "is not UTF-8"),
        (295, record(0x12, b"\0\x20" + DIGEST + b"a") * 2 + PRODUCT_RECORD, "second asset 'a'"),
    ],
)
def test_a_malformed_extension_is_refused_saying_where_and_why(at, area, reason):
    said = refused(altered(SAMPLE, product=area), ExtensionMalformed)
    assert said.startswith(f"The binary's extension record at byte {at} is malformed: ")
    assert reason in said


@pytest.mark.parametrize("records", [b"", record(0x11, b"a name")])
def test_records_of_the_header_that_nothing_ends_are_refused(records):
    # No body is left between them and the suffix that could be taken for an end.
    content = altered(build(12345, 7, 13, size_bytes=68), flags=0x10)
    end = 0xB4000 + len(content) + len(records) - 4
    content = altered(content, flags=0x10, end=end)
    said = refused(seal(content[:24] + records + content[24:-38], 40), ExtensionMalformed)
    assert "nothing ends the records of the header" in said


def refused(content: bytes, *refusals: type[BinaryRefused]) -> str:
    """What the reader says when it refuses these bytes for one of these reasons."""
    with pytest.raises(refusals) as caught:
        read_binary(content)
    assert caught.value.field == "file"
    return str(caught.value)


def with_right_crc(content: bytes) -> bytes:
    return content + zlib.crc32(content).to_bytes(4)


def with_header_records(records: bytes) -> bytes:
    header = altered(SAMPLE, flags=0x10, end=0xB4000 + len(SAMPLE) + len(records) - 4)[:24]
    return seal(header + records + SAMPLE[24:-38], 40)
