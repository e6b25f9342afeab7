"""Firmware bytes on this machine's disk: a bounded cache of what PostgreSQL keeps for good."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

import psycopg

from device_edge.database import as_application

CACHE_BYTES_MAX = 2 << 30
PARTIAL_S_MAX = 3600.0  # what is older was left behind by a process that died
PARTIAL = ".partial"

Fetch = Callable[[str], Awaitable[bytes | None]]


class ContentUnavailable(Exception):
    """The binary cannot be fetched now; try again later."""


class ContentDamaged(ContentUnavailable):
    """The database holds other bytes under this SHA-256 than the ones it was made of."""


def from_database(conninfo: str) -> Fetch:
    """How the bytes of a SHA-256 are fetched; None if the database has none."""
    conninfo = as_application(conninfo)

    async def fetch(digest: str) -> bytes | None:
        try:
            connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
            async with connection:
                found = await connection.execute(
                    "SELECT bytes FROM content.firmware WHERE sha256 = %s",
                    [bytes.fromhex(digest)],
                    binary=True,
                )
                row = await found.fetchone()
        except psycopg.OperationalError as error:
            raise ContentUnavailable from error
        return row[0] if row else None

    return fetch


class Content:
    """The cache. Several edges may share its folder: files appear whole, under their SHA-256."""

    def __init__(self, folder: Path, fetch: Fetch, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._folder = folder
        self._fetch = fetch
        self._bytes_max = bytes_max
        self._fetching: dict[str, asyncio.Task[Path | None]] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for partial in folder.glob(f"*{PARTIAL}"):
            if time.time() - partial.stat().st_mtime > PARTIAL_S_MAX:
                partial.unlink(missing_ok=True)

    async def path_of(self, digest: str) -> Path | None:
        """The file with these bytes, fetched where need be; None if there are none.

        Raises ContentUnavailable, ContentDamaged.
        """
        path = self._folder / digest
        if mark_used(path):
            return path
        # However many ask at once, it is fetched once.
        task = self._fetching.get(digest)
        if task is None:
            task = self._fetching[digest] = asyncio.create_task(self._bring(path))
            task.add_done_callback(lambda _: self._fetching.pop(digest))
        return await asyncio.shield(task)

    async def prefetch(self, digest: str, size_bytes: int) -> None:
        """Bring it before anybody asks, unless that would push out what somebody asked for."""
        if not (self._folder / digest).exists() and self._used() + size_bytes <= self._bytes_max:
            await self.path_of(digest)

    async def _bring(self, path: Path) -> Path | None:
        content = await self._fetch(path.name)
        if content is None:
            return None
        await asyncio.to_thread(self._keep, path, content)
        return path

    def _keep(self, path: Path, content: bytes) -> None:
        if sha256(content).hexdigest() != path.name:
            raise ContentDamaged(path.name)
        partial = path.with_name(f"{path.name}.{token_hex(4)}{PARTIAL}")
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        self._make_room(path)

    def _make_room(self, newest: Path) -> None:
        """Remove what was not used for the longest time, but never what came just now."""
        files = [(stat.st_atime, stat.st_size, path) for path, stat in self._files()]
        used = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if used <= self._bytes_max:
                return
            if path != newest:
                path.unlink(missing_ok=True)
                used -= size

    def _used(self) -> int:
        return sum(stat.st_size for _, stat in self._files())

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        found = []
        for entry in os.scandir(self._folder):
            try:
                found.append((Path(entry.path), entry.stat()))
            except FileNotFoundError:
                continue  # another edge made room
        return found


def mark_used(path: Path) -> bool:
    """Whether the file is there; the time of its use is written down, whatever the mount says."""
    try:
        os.utime(path, (time.time(), path.stat().st_mtime))
    except FileNotFoundError:
        return False
    return True
