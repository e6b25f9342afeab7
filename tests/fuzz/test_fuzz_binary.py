"""A short run of the fuzzer over the reader of firmware; the long one is run by hand."""

import subprocess
import sys

import pytest

pytest.importorskip("atheris", reason="the fuzzer has no wheel for this machine")

RUNS = 100_000  # a few seconds
TIMEOUT_S = 100


def test_the_fuzzer_gets_everywhere_and_finds_nothing(tmp_path):
    fuzz = [sys.executable, "-m", "tests.fuzz.fuzz_binary", f"--runs={RUNS}", f"--found={tmp_path}"]
    done = subprocess.run(fuzz, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr[-4000:]
    assert not list(tmp_path.iterdir())
    outcomes = {
        line.split(":")[1].strip()
        for line in done.stdout.splitlines()
        if line.startswith("outcome:")
    }
    # As far in as to the last check, and through every way.
    assert outcomes >= {
        *("read", "CrcWrong", "LengthWrong", "SuffixSizeWrong", "SeveralModules"),
        *("ExtensionMalformed", "NotAnApplication", "PlatformWrong", "ProductWrong"),
        *("VersionWrong", "BundleBroken", "BundleWithoutApplication"),
    }
