"""Whether a binary is this version of this product: every mismatch names both values."""

import pytest

from domain.binary import read_binary
from domain.binary_checks import (
    BinaryCompressed,
    BinaryEncrypted,
    FlagsUnknown,
    NotAnApplication,
    PlatformWrong,
    ProductMissing,
    ProductWrong,
    VersionWrong,
    check_binary,
)
from domain.binary_records import BinaryRefused
from rollcall.sample_firmware import build, seal
from tests.binaries import altered

CLASSIC = build(product_id=12345, version=7, platform_id=13, size_bytes=300)


@pytest.mark.parametrize("extension", [False, True])
@pytest.mark.parametrize("product_id", [12345, 13])
def test_a_binary_carries_the_id_of_its_product_or_of_its_platform(product_id, extension):
    check(build(product_id, 7, 13, extension=extension))


def test_another_platform_is_refused_naming_both():
    said = refused(build(12345, 7, 6), PlatformWrong)
    assert "the binary is for platform 6 (photon)" in said
    assert "the product's devices are platform 13 (boron)" in said


def test_an_unknown_platform_is_refused_naming_both():
    assert "platform 999 (unknown)" in refused(build(12345, 7, 999), PlatformWrong)


@pytest.mark.parametrize("product_id", [12346, 6, 0, 65535])
def test_another_product_id_is_refused_naming_both(product_id):
    said = refused(build(product_id, 7, 13), ProductWrong)
    assert f"the binary says {product_id}, the product is 12345" in said


@pytest.mark.parametrize("product_id", [12345, 13])
@pytest.mark.parametrize("version", [6, 8, 65535])
def test_another_version_is_refused_naming_both(product_id, version):
    said = refused(build(product_id, version, 13), VersionWrong)
    assert said == f"Version mismatch: the binary says {version}, the upload says 7."
    assert VersionWrong.field == "version"


@pytest.mark.parametrize(
    "content", [altered(CLASSIC, product=b""), build(65535, 65535, 13)], ids=["no block", "unset"]
)
def test_a_binary_that_names_no_product_is_refused_saying_how_to_build_it(content):
    said = refused(content, ProductMissing)
    assert "PRODUCT_ID(12345)" in said
    assert "PRODUCT_VERSION(7)" in said


@pytest.mark.parametrize(
    ("function", "found"),
    [(2, "a bootloader"), (3, "monolithic firmware"), (4, "a system part"), (99, "no known kind")],
)
def test_what_is_no_application_is_refused_saying_what_it_is(function, found):
    said = refused(altered(CLASSIC, function=function), NotAnApplication)
    assert found in said
    assert f"(module function {function})" in said


def test_an_application_does_not_stand_behind_interrupt_vectors():
    header = altered(CLASSIC, end=0xB4000 + 0x200 + 300 - 4)
    refused(seal(bytes(0x200) + header[:-38], 40), NotAnApplication)


@pytest.mark.parametrize(
    ("flags", "refusal"),
    [
        (0x02, BinaryCompressed),
        (0x08, BinaryEncrypted),
        (0x0A, BinaryEncrypted),
        (0x01, FlagsUnknown),
        (0x04, FlagsUnknown),
        (0x80, FlagsUnknown),
    ],
)
def test_a_binary_whose_hash_or_content_cannot_be_checked_is_refused(flags, refusal):
    refused(altered(CLASSIC, flags=flags), refusal)


def test_flags_that_are_not_known_are_named():
    assert "the flags 0x81," in refused(altered(CLASSIC, flags=0x81), FlagsUnknown)


def check(content: bytes) -> None:
    check_binary(read_binary(content), product_id=12345, platform_id=13, version=7)


def refused(content: bytes, refusal: type[BinaryRefused]) -> str:
    """What is said when this binary is refused for this reason."""
    with pytest.raises(refusal) as caught:
        check(content)
    return str(caught.value)
