"""The cache of firmware bytes: whole, checked, bounded."""

import asyncio
import hashlib
import os
from pathlib import Path

import psycopg
import pytest

from device_edge.content import Content, ContentDamaged, ContentUnavailable, from_database
from tests.device_edge import world

pytestmark = pytest.mark.asyncio


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Shelf:
    """Where the cache fetches from, in place of a database."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = {digest_of(content): content for content in contents}
        self.fetched: list[str] = []

    async def fetch(self, digest: str) -> bytes | None:
        self.fetched.append(digest)
        await asyncio.sleep(0)
        return self.contents.get(digest)


def store(database: str, content: bytes, digest: str = "") -> str:
    digest = digest or digest_of(content)
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO content.firmware (sha256, bytes) VALUES (%s, %s)",
            [bytes.fromhex(digest), content],
        )
    return digest


async def test_bytes_come_from_the_database_once(database: str, tmp_path: Path) -> None:
    digest = store(database, b"firmware")
    cache = Content(tmp_path / "cache", from_database(database))
    path = await cache.path_of(digest)
    assert path is not None
    assert path.read_bytes() == b"firmware"
    without = Content(tmp_path / "cache", from_database(world.NOWHERE))
    assert await without.path_of(digest) == path


async def test_bytes_that_are_nowhere_are_not_found(database: str, tmp_path: Path) -> None:
    cache = Content(tmp_path, from_database(database))
    assert await cache.path_of("ab" * 32) is None


async def test_without_the_database_it_says_so(tmp_path: Path) -> None:
    cache = Content(tmp_path, from_database(world.NOWHERE))
    with pytest.raises(ContentUnavailable):
        await cache.path_of("ab" * 32)


async def test_other_bytes_than_promised_are_not_served(database: str, tmp_path: Path) -> None:
    digest = store(database, b"tampered", "ab" * 32)
    cache = Content(tmp_path, from_database(database))
    with pytest.raises(ContentDamaged):
        await cache.path_of(digest)
    assert list(tmp_path.iterdir()) == []


async def test_many_who_ask_at_once_are_served_by_one_fetch(tmp_path: Path) -> None:
    shelf = Shelf(b"firmware")
    cache = Content(tmp_path, shelf.fetch)
    paths = await asyncio.gather(*(cache.path_of(digest_of(b"firmware")) for _ in range(20)))
    assert len(set(paths)) == 1
    assert len(shelf.fetched) == 1


async def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    contents = [bytes([number]) * 100 for number in range(4)]
    shelf = Shelf(*contents)
    cache = Content(tmp_path, shelf.fetch, bytes_max=300)
    names = [digest_of(content) for content in contents]
    for place, name in enumerate(names[:3]):
        path = await cache.path_of(name)
        assert path is not None
        os.utime(path, (1000 + place, 1000))
    await cache.path_of(names[0])
    await cache.path_of(names[3])
    assert {path.name for path in tmp_path.iterdir()} == {names[0], names[2], names[3]}


async def test_what_nobody_has_asked_for_pushes_nothing_out(tmp_path: Path) -> None:
    shelf = Shelf(b"a" * 100, b"b" * 100)
    cache = Content(tmp_path, shelf.fetch, bytes_max=150)
    await cache.prefetch(digest_of(b"a" * 100), 100)
    await cache.prefetch(digest_of(b"b" * 100), 100)
    assert [path.name for path in tmp_path.iterdir()] == [digest_of(b"a" * 100)]


async def test_what_a_killed_edge_left_half_written_is_removed(tmp_path: Path) -> None:
    old, new = tmp_path / "ab.1.partial", tmp_path / "ab.2.partial"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    Content(tmp_path, Shelf().fetch)
    assert list(tmp_path.iterdir()) == [new]
