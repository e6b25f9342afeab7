"""Reading what the vendor published, and what its own tools make of it: equal to its own reader."""

from typing import Any

import pytest

from domain.binary import (
    Binary,
    BinaryTooShort,
    CrcWrong,
    LengthWrong,
    SeveralModules,
    Sha256Wrong,
    read_binary,
)
from domain.binary_checks import (
    BinaryCompressed,
    NotAnApplication,
    PlatformWrong,
    ProductMissing,
    VersionWrong,
    check_binary,
)
from domain.binary_records import Asset, BinaryRefused, Dependency
from tests.binaries import VendorTools, published, with_right_sums

NEWEST = "particle-cli@3.51.0"
# File: platform id, product id, product version, index, lowest Device OS, extension records.
APPLICATIONS = {
    "tinker-0.4.5-photon.bin": (6, 6, 2, 1, 6, 0),
    "tinker-0.4.5-p1.bin": (8, 8, 2, 1, 6, 0),
    "electron_tinker.bin": (10, 10, 2, 1, 10, 0),
    "tinker-usb-debugging-0.6.0-electron.bin": (10, 10, 3, 1, 102, 0),
    "tinker-0.8.0-rc.27-argon.bin": (12, 12, 3, 1, 326, 0),
    "tinker-0.8.0-rc.27-boron.bin": (13, 13, 3, 1, 326, 0),
    "tinker-0.8.0-rc.27-xenon.bin": (14, 14, 3, 1, 326, 0),
    "tinker-6.3.4-esomx.bin": (15, 15, 3, 2, 6305, 0),
    "tinker-1.1.0-rc.1-bsom.bin": (23, 23, 3, 1, 1100, 0),
    "tinker-1.5.0-b5som.bin": (25, 25, 3, 1, 1502, 0),
    "tracker-tinker@1.5.4-rc.1.bin": (26, 26, 3, 1, 1514, 0),
    "tinker-5.8.0-trackerm.bin": (28, 28, 4, 1, 5800, 2),
    "tinker-5.0.0-p2.bin": (32, 32, 4, 1, 5002, 2),
    "tinker-6.3.4-msom.bin": (35, 35, 4, 1, 6305, 2),
}
ARGON, P2 = f"{NEWEST} tinker-0.8.0-rc.27-argon.bin", f"{NEWEST} tinker-5.0.0-p2.bin"


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> VendorTools:
    return VendorTools(tmp_path_factory.mktemp("vendor"))


@pytest.fixture(scope="module", params=[ARGON, P2], ids=["classic", "with extensions"])
def written(request: pytest.FixtureRequest, vendor: VendorTools) -> dict[str, bytes]:
    photon = published()[f"{NEWEST} tinker-0.4.5-photon.bin"]
    return vendor.write(published()[request.param], photon)


@pytest.mark.parametrize("file", APPLICATIONS)
def test_an_application_of_each_platform_is_read(file):
    binary = read_binary(published()[f"{NEWEST} {file}"])
    platform_id, product_id, version, index, system_version, extensions = APPLICATIONS[file]
    assert (binary.platform_id, binary.product_id) == (platform_id, product_id)
    assert (binary.product_version, binary.module_index) == (version, index)
    assert binary.dependencies[0].version == system_version
    assert len(binary.extensions) == extensions
    check_binary(binary, product_id=12345, platform_id=platform_id, version=version)


@pytest.mark.parametrize("file", APPLICATIONS)
def test_it_is_refused_for_another_platform_or_version(file):
    binary = read_binary(published()[f"{NEWEST} {file}"])
    platform_id, product_id, version, *_ = APPLICATIONS[file]
    with pytest.raises(PlatformWrong, match=f"platform {platform_id} .*platform 43 "):
        check_binary(binary, product_id=product_id, platform_id=43, version=version)
    with pytest.raises(VersionWrong, match=f"says {version}, the upload says 9"):
        check_binary(binary, product_id=product_id, platform_id=platform_id, version=9)


def test_the_vendors_own_reader_says_the_same_of_every_published_binary(vendor):
    said, read = vendor.read(published()), 0
    for name, content in published().items():
        try:
            binary = read_binary(content)
        except BinaryRefused:
            continue
        assert facts(binary) == vendor_facts(said[name]), name
        read += 1
    assert read == 36


def test_the_vendors_own_reader_says_the_same_of_what_its_writer_made(vendor, written):
    said = vendor.read(written)
    for name in written.keys() - {"combined"}:
        assert facts(read_binary(written[name])) == vendor_facts(said[name]), name


def test_what_is_no_whole_module_is_refused_as_what_it_is():
    refusals: dict[str, str] = {}
    for name, content in published().items():
        try:
            read_binary(content)
        except BinaryRefused as refusal:
            refusals[name.split()[1]] = type(refusal).__name__
    assert refusals == {
        "emptybin.bin": BinaryTooShort.__name__,
        "RC2_bootloader.bin": Sha256Wrong.__name__,
        "RC4_bootloader_pad_BM-09.bin": CrcWrong.__name__,
        "RC4_bootloader_pad_BM-14.bin": CrcWrong.__name__,
        "cc3000-patch-programmer.bin": CrcWrong.__name__,
        "cc3000-patch-programmer_1_14.bin": CrcWrong.__name__,
        "deep_update_2014_06.bin": CrcWrong.__name__,
    }


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("binary-version-reader@0.5.1 040_system-part1.bin", NotAnApplication),
        ("particle-cli@1.16.0 system-part2-0.5.2-electron.bin", NotAnApplication),
        ("particle-cli@3.51.0 core_tinker.bin", NotAnApplication),
        ("particle-cli@1.16.0 photon_tinker.bin", ProductMissing),
        ("particle-cli@1.16.0 p1_tinker.bin", ProductMissing),
    ],
)
def test_what_is_no_application_of_a_product_is_refused(name, refusal):
    binary = read_binary(published()[name])
    with pytest.raises(refusal):
        check_binary(binary, product_id=94, platform_id=binary.platform_id, version=3)


@pytest.mark.parametrize("name", [ARGON, P2], ids=["classic", "with extensions"])
def test_every_truncation_of_a_real_binary_is_refused(name):
    content = published()[name]
    for size_bytes in range(len(content)):
        with pytest.raises((BinaryTooShort, CrcWrong)):
            read_binary(content[:size_bytes])


def test_every_truncation_of_a_real_binary_with_right_sums_is_refused():
    content = published()[ARGON]
    for size_bytes in range(64, len(content)):
        with pytest.raises(LengthWrong):
            read_binary(with_right_sums(content[:size_bytes]))


def test_a_compressed_module_is_read_and_refused_for_a_product(written):
    binary = read_binary(written["compressed"])
    with pytest.raises(BinaryCompressed):
        check(binary)


def test_combined_modules_are_refused(written):
    with pytest.raises(SeveralModules, match=f"out of {len(written['combined'])}"):
        read_binary(written["combined"])


def test_an_asset_is_no_application(written):
    with pytest.raises(NotAnApplication, match="an asset"):
        check(read_binary(written["an asset"]))


def test_assets_names_and_dependencies_that_the_vendors_writer_adds_are_read(written):
    with_asset = read_binary(written["with an asset"])
    digest = "51e467415607798220a3776f6ae1a2a09ddc7e5dcdc955d685477b4cf05ade22"
    assert with_asset.assets == (Asset("cat.jpg", digest),)
    with_dependency = read_binary(written["with a name and a dependency"])
    assert with_dependency.dependencies[-1] == Dependency(4, 2, 77)
    for binary in (with_asset, with_dependency, read_binary(written["protected"])):
        check(binary)


def check(binary: Binary) -> None:
    platform_id, version = binary.platform_id, binary.product_version
    assert version is not None
    check_binary(binary, product_id=94, platform_id=platform_id, version=version)


def facts(binary: Binary) -> dict[str, Any]:
    """What we read, to be compared."""
    product = (binary.product_id, binary.product_version)
    return {
        "addresses": (binary.start_address, binary.end_address, binary.header_offset),
        "module": (binary.platform_id, binary.module_function, binary.module_index),
        "abi, flags": (binary.module_abi, binary.flags),
        "dependencies": binary.dependencies,
        "product": product,
        "sums": (binary.crc32, binary.sha256_app, binary.suffix_bytes),
        "extensions": [(found.kind, found.content.hex()) for found in binary.extensions],
        "assets": binary.assets,
    }


def vendor_facts(said: dict[str, Any]) -> dict[str, Any]:
    """The same facts as the vendor's reader says them."""
    prefix, suffix, crc = said["prefixInfo"], said["suffixInfo"], said["crc"]
    assert crc["ok"]
    extensions = prefix.get("extensions", []) + suffix.get("extensions", [])
    fields = ("ModuleFunction", "ModuleIndex", "ModuleVersion")
    needs = [[prefix[f"{dep}{field}"] for field in fields] for dep in ("dep", "dep2")]
    fields = ("moduleFunction", "moduleIndex", "moduleVersion")
    needs += [[found[field] for field in fields] for found in extensions if found["type"] == 3]
    product = (suffix["productId"], suffix["productVersion"])
    start, end = int(prefix["moduleStartAddy"], 16), int(prefix["moduleEndAddy"], 16)
    return {
        "addresses": (start, end, prefix["prefixOffset"]),
        "module": (prefix["platformID"], prefix["moduleFunction"], prefix["moduleIndex"]),
        "abi, flags": (prefix["moduleVersion"], prefix["moduleFlags"]),
        "dependencies": tuple(Dependency(*need) for need in needs if need[0]),
        "product": (None, None) if product == (-1, -1) else product,
        "sums": (crc["storedCrc"], suffix["fwUniqueId"], suffix["suffixSize"]),
        "extensions": [(e["type"], e["data"][8:]) for e in extensions],
        "assets": tuple(Asset(a["name"], a["hash"]) for a in said.get("assets", [])),
    }
