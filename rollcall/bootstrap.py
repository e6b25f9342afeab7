"""Makes .venv equal to the lock, then becomes the command `rollcall` inside it.

Run by ./run with any Python 3.11 or newer, so it imports the standard library only.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
BOOT = CHECKOUT / ".boot"
STAMP = VENV / "rollcall.stamp"
RUNTIME_LOCK = CHECKOUT / "requirements.lock"
TEST_LOCK = CHECKOUT / "requirements.test.lock"
LOCKS = (RUNTIME_LOCK, TEST_LOCK)
BOOT_LOCK = CHECKOUT / "requirements.boot.lock"
# These need the packages of the test lock, which holds everything of the runtime lock too.
NEED_TEST_PACKAGES = ("test", "bench")
ATTEMPTS_MAX = 3  # at the package index, whose connection may break
VENV_MISSING = """Could not make a virtual environment with uv in it.
Python's venv and pip are needed (Debian: the package python3-venv), and the package index."""


def main() -> NoReturn:
    arguments = sys.argv[1:]
    for_tests = bool(arguments) and arguments[0] in NEED_TEST_PACKAGES
    # Once made for tests, it stays so.
    lock = TEST_LOCK if for_tests or len(stamps()) == len(LOCKS) else RUNTIME_LOCK
    if wanted_stamp(lock) not in stamps():
        try:
            make_venv(lock)
        except subprocess.CalledProcessError as error:
            sys.exit(f"{' '.join(map(str, error.cmd[:4]))} … failed; nothing was started.")
        except PermissionError as error:
            sys.exit(f"Cannot write {error.filename}: whose checkout is this?")
    command = VENV / "bin" / "rollcall"
    os.execv(command, [str(command), *(arguments or ["up"])])


def wanted_stamp(lock: Path) -> str:
    """What a .venv made from this lock, in this folder, is marked with."""
    digest = hashlib.sha256(f"{CHECKOUT}\n{base_python()}\n{lock.name}\n".encode())
    for part in (lock, CHECKOUT / "pyproject.toml"):
        digest.update(part.read_bytes())
    return digest.hexdigest()


def stamps() -> list[str]:
    return STAMP.read_text().split() if STAMP.exists() else []


def base_python() -> str:
    """The interpreter behind any virtual environment: one made in .venv would not outlive it."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def make_venv(lock: Path) -> None:
    BOOT.mkdir(exist_ok=True)
    with (BOOT / "owner").open("w") as owner:
        # Two first starts at once: the second waits, and then finds the work done.
        fcntl.flock(owner, fcntl.LOCK_EX)
        if wanted_stamp(lock) in stamps():
            return
        print("Preparing Python packages …", file=sys.stderr, flush=True)
        uv = shutil.which("uv") or own_uv()
        environment = uv_environment()
        STAMP.unlink(missing_ok=True)
        if not runs(VENV / "bin" / "python"):
            call(uv, "venv", "-q", "--clear", "--python", base_python(), VENV, env=environment)
        python = ("--python", VENV / "bin" / "python")
        hashed = ("--require-hashes", "--only-binary", ":all:")
        persist(uv, "pip", "sync", "-q", *python, *hashed, lock, env=environment)
        # The build backend came with the lock: our own package is installed without an index.
        own = ("--offline", "--no-deps", "--no-build-isolation", "-e", CHECKOUT)
        call(uv, "pip", "install", "-q", *python, *own, env=environment)
        made = LOCKS if lock == TEST_LOCK else (RUNTIME_LOCK,)
        STAMP.write_text("\n".join(map(wanted_stamp, made)) + "\n")


def own_uv() -> str:
    """The path of a uv of our own in .boot, of the pinned version."""
    home = BOOT / "uv"
    uv, python = home / "bin" / "uv", home / "bin" / "python"
    if runs(uv):
        return str(uv)
    base = base_python()
    install = ("install", "-q", "--require-hashes", "--only-binary", ":all:", "-r", BOOT_LOCK)
    # The first way is faster, the second needs no pip outside the new environment.
    ways: tuple[tuple[list[str], list[str]], ...] = (
        (["--without-pip"], [base, "-m", "pip", "--python", str(python)]),
        ([], [str(python), "-m", "pip"]),
    )
    for options, pip in ways:
        shutil.rmtree(home, ignore_errors=True)
        made = subprocess.run([base, "-m", "venv", *options, home], capture_output=True)
        if made.returncode == 0:
            subprocess.run([*pip, *install], capture_output=True)
        if runs(uv):
            return str(uv)
    sys.exit(VENV_MISSING)


def uv_environment() -> dict[str, str]:
    """uv does not read pip's settings: hand it the mirror and the authority that pip was given."""
    environment = dict(os.environ)
    # Only packages come from the index; an interpreter is never fetched.
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    found = subprocess.run(
        [base_python(), "-m", "pip", "config", "list"], capture_output=True, text=True
    )
    settings = dict(re.findall(r"^[^=\s]*\.([a-z-]+)='(.*)'$", found.stdout, re.MULTILINE))
    if "index-url" in settings and not environment.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"}:
        environment["UV_DEFAULT_INDEX"] = settings["index-url"]
    if "cert" in settings:
        environment.setdefault("SSL_CERT_FILE", settings["cert"])
    return environment


def runs(program: Path) -> bool:
    """Whether the program is there and starts: its interpreter may have gone since."""
    try:
        return subprocess.run([program, "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def call(*command: str | Path, env: dict[str, str]) -> None:
    """Raises CalledProcessError."""
    subprocess.run(command, check=True, env=env)


def persist(*command: str | Path, env: dict[str, str]) -> None:
    """As `call`, again after a pause where it fails. Raises the last CalledProcessError."""
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            call(*command, env=env)
            return
        except subprocess.CalledProcessError:
            if attempt == ATTEMPTS_MAX:
                raise
            time.sleep(attempt)


if __name__ == "__main__":
    main()
