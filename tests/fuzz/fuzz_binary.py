"""Feeds the reader of firmware what a coverage-guided fuzzer makes up, to see it break.

python -m tests.fuzz.fuzz_binary --seconds 30
"""

import argparse
import io
import os
import struct
import sys
import tempfile
import zipfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["domain"]):
    from domain.binary import read_binary
    from domain.binary_checks import check_binary
    from domain.binary_records import BinaryRefused
    from domain.bundle import read_upload

from rollcall.sample_firmware import build, seal
from tests.binaries import altered, record

INPUT_BYTES_MAX = 4096
SAMPLE = build(product_id=94, version=3, platform_id=13, size_bytes=200)
RAW, SEALED, UPLOADED = range(3)
outcomes: set[str] = set()


def try_input(made_up: bytes) -> None:
    """One input: its first byte chooses what is tried with the rest."""
    way, content = made_up[:1], made_up[1:]
    try:
        if way == bytes([UPLOADED]):
            check(read_upload(content).application)
        elif way == bytes([SEALED]):
            check(sealed(content))
        else:
            check(content)
        outcome = "read"
    except BinaryRefused as refusal:
        outcome = f"{type(refusal).__name__}: {refusal}"
    kind = outcome.partition(":")[0]
    if kind not in outcomes:
        outcomes.add(kind)
        print("outcome:", outcome, flush=True)


def check(content: bytes) -> None:
    binary = read_binary(content)
    assert binary.size_bytes == len(content)
    assert content.count(bytes.fromhex(binary.sha256_app))
    assert (binary.product_id is None) == (binary.product_version is None)
    check_binary(binary, product_id=94, platform_id=13, version=3)
    # Whatever passes is an application of this version for this platform.
    assert (binary.module_function, binary.header_offset) == (5, 0)
    assert (binary.platform_id, binary.product_version) == (13, 3)


def sealed(made_up: bytes) -> bytes:
    """A binary of made-up fields with right sums, which chance would never find."""
    source = atheris.FuzzedDataProvider(made_up)
    fields = {
        "flags": source.ConsumeIntInRange(0, 255),
        "platform_id": source.PickValueInList([13, 6, source.ConsumeUInt(2)]),
        "function": source.PickValueInList([5, 4, source.ConsumeUInt(1)]),
    }
    lie = source.PickValueInList(["", "", "end", "suffix"])
    told = source.ConsumeUInt(2)
    if lie == "end":
        fields["end"] = told
    product_id, version = source.PickValueInList([94, 13, 6]), source.PickValueInList([3, 4])
    product = struct.pack("<HH", product_id, version)
    if source.ConsumeBool():
        product = source.ConsumeBytes(INPUT_BYTES_MAX)
    content = altered(SAMPLE, product=product, **fields)
    return seal(content[:-38], told) if lie == "suffix" else content


def seeds() -> list[bytes]:
    """Inputs to begin with: what is read, in each of the ways."""
    with_records = altered(SAMPLE, product=record(0x11, b"name") + record(1, bytes(6)))
    return [
        bytes([RAW]) + SAMPLE,
        bytes([RAW]) + with_records,
        bytes([RAW]) + altered(SAMPLE, flags=4) + SAMPLE,
        bytes([UPLOADED]) + zipped(SAMPLE, zipfile.ZIP_DEFLATED),
        bytes([UPLOADED]) + zipped(SAMPLE, zipfile.ZIP_STORED),
        bytes([SEALED]) + bytes(64),
        bytes([SEALED]) + record(3, b"\4\1\2\0") + record(1, bytes(6)),
        bytes([SEALED]) + record(0x12, b"\0\x20" + bytes(32) + b"cat") + record(0, b"") + bytes(20),
    ]


def zipped(application: bytes, method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as bundle:
        bundle.writestr("app.bin", application)
    return file.getvalue()


def main(argv: list[str]) -> int:
    """Fuzzes for a time or a number of runs. Returns 0, or something else for an input found."""
    parser = argparse.ArgumentParser(prog="fuzz_binary", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="stop after this time (30)")
    parser.add_argument("--runs", type=int, default=-1, help="stop after so many inputs")
    parser.add_argument("--seed", type=int, default=1, help="of the chance that it uses (1)")
    parser.add_argument("--found", default=".", help="folder for an input that breaks the reader")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()):
            (Path(corpus) / str(number)).write_bytes(seed)
        limits = [
            f"-max_total_time={options.seconds}",
            f"-runs={options.runs}",
            f"-seed={options.seed}",
            f"-max_len={INPUT_BYTES_MAX}",
            f"-artifact_prefix={options.found}/",
        ]
        # The fuzzer ends its process without a word to Python, so it gets one of its own.
        child = os.fork()
        if child == 0:
            atheris.Setup([sys.argv[0], corpus, *limits], try_input)
            atheris.Fuzz()
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
