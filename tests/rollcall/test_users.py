import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rollcall.embedded.processes import Account, reachable_by_others
from rollcall.state import CHECKOUT
from tests.cloud import Cloud, home, plain_environment
from tests.place import DISK
from tests.rollcall.conftest import STANDINS

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="not root here: what root may get wrong cannot be shown"
)
ENOUGH_FOR_RUN = ("*.lock", "pyproject.toml", "README.md", "run")
PACKAGES = ("api", "device_edge", "domain", "migrations", "projections", "rollcall")


@pytest.fixture
def nobody() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


@pytest.fixture
def python() -> str:
    """A Python of our version that everybody may run."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")
    if found is None or not reachable_by_others(CHECKOUT):
        pytest.skip(f"no {name}, or not this checkout, is within an ordinary user's reach")
    return found


@pytest.fixture
def folder(nobody: Account) -> Iterator[Path]:
    with home(DISK) as outer:
        inner = outer / "nobody"
        inner.mkdir()
        os.chown(inner, nobody.uid, nobody.gid)
        yield inner


@as_root
def test_an_ordinary_user_runs_it_too(nobody: Account, python: str, folder: Path) -> None:
    packages = sysconfig.get_path("purelib")
    paths = {
        "PYTHONPATH": f"{CHECKOUT}:{packages}",
        "PATH": f"{sysconfig.get_path('scripts')}:/usr/bin:/bin",
        "HOME": str(folder),
    }
    cloud = Cloud(
        folder / "state", words=STANDINS, python=[python], account=nobody, environment=paths
    )
    try:
        cloud.start()
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in cloud.status["pids"].values()}
        shown = cloud.run("psql", "-Atc", "SELECT count(*) FROM secrets.person_key")
    finally:
        cloud.stop()

    assert owners == {nobody.uid}
    assert shown.stdout == "1\n"


@as_root
def test_postgresql_does_not_run_as_root_and_changes_no_folder_that_is_not_ours(
    cloud: Cloud,
) -> None:
    owner = Path(f"/proc/{cloud.status['pids']['postgres']}").stat().st_uid

    assert owner != 0
    assert cloud.state.path.stat().st_mode & 0o007 == 0


@as_root
def test_a_state_directory_that_postgresqls_user_cannot_reach_is_said() -> None:
    with home() as folder:
        folder.chmod(0o700)
        cloud = Cloud(folder / "state", words=STANDINS, environment={})

        with pytest.raises(AssertionError, match="cannot reach the state directory"):
            cloud.start()


@as_root
def test_in_a_checkout_that_others_cannot_reach_root_keeps_the_state_elsewhere() -> None:
    with home() as folder:
        folder.chmod(0o700)
        copy_checkout(folder / "checkout")
        environment = plain_environment(Path("/"))
        del environment["ROLLCALL_STATE"]

        shown = subprocess.run(
            [sys.executable, "-m", "rollcall.cli", "status"],
            cwd=folder / "checkout",
            env=environment | {"PYTHONPATH": str(folder / "checkout")},
            capture_output=True,
            text=True,
        )

    assert "state directory /var/lib/rollcall-" in shown.stdout


def test_another_users_state_directory_is_not_touched(tmp_path: Path) -> None:
    cloud = Cloud(Path("/proc/1"), words=STANDINS, environment={})
    cloud.output = tmp_path / "output"

    with pytest.raises(AssertionError, match=r"belongs to another user|holds something else"):
        cloud.start()


def test_run_makes_what_it_needs_once_and_then_is_quick() -> None:
    """A fresh checkout, a bare environment: only Python, the package index and a home."""
    with home(DISK) as folder:
        copy_checkout(folder / "checkout")

        bare = {"HOME": os.environ.get("HOME", str(folder)), "PATH": os.environ["PATH"]}
        first = run(folder / "checkout", bare)
        second = run(folder / "checkout", bare)

    assert "Preparing Python packages" in first.stderr
    assert first.stdout.startswith("rollcall ")
    assert second.stdout == first.stdout
    assert second.stderr == ""


@as_root
def test_run_works_for_an_ordinary_user(nobody: Account, python: str, folder: Path) -> None:
    copy_checkout(folder / "checkout", owner=nobody)

    shown = run(folder / "checkout", {"HOME": str(folder)}, nobody)

    assert shown.stdout.startswith("rollcall "), shown.stderr
    assert (folder / "checkout" / ".venv").stat().st_uid == nobody.uid


def copy_checkout(target: Path, owner: Account | None = None) -> None:
    """What a fresh clone has, as far as ./run needs it."""
    target.mkdir()
    for pattern in ENOUGH_FOR_RUN:
        for file in CHECKOUT.glob(pattern):
            shutil.copy(file, target)
    for package in PACKAGES:
        if (CHECKOUT / package).exists():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(CHECKOUT / package, target / package, ignore=ignored)
    if owner:
        for path in (target, *target.rglob("*")):
            os.chown(path, owner.uid, owner.gid)


def run(
    checkout: Path, environment: Mapping[str, str], account: Account | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "run", "version"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=100,
        **(account.popen_options if account else {}),
    )
