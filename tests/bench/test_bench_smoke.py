"""Every benchmark runs, at a size that says nothing about speed, and prints what it found."""

import json
import subprocess
import sys

import pytest

from rollcall.bench import names
from rollcall.state import CHECKOUT

TIMEOUT_S = 110


@pytest.mark.parametrize("name", names())
def test_a_benchmark_prints_what_it_found_beside_its_reference(name: str) -> None:
    command = [sys.executable, "-m", f"tests.bench.bench_{name}", "--quick", "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout)
    assert (found["bench"], found["quick"]) == (name, True)
    lines = found["results"]
    assert all(line["unit"] and len(line["ours_rounds"]) > 0 for line in lines)
    compared = [line for line in lines if line["reference_rounds"]]
    assert compared
    assert all(line["ratio"] > 0 and line["compared_with"] for line in compared)
    assert all(line["verdict"] in {"met", "MISSED"} for line in lines if line["target"])
