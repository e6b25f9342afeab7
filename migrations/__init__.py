"""The database's shape: numbered forward-only .sql files, each applied once, in order."""

from hashlib import sha256
from pathlib import Path

import psycopg

FOLDER = Path(__file__).parent
LOCK = int.from_bytes(sha256(b"rollcall migrations").digest()[:8], "big", signed=True)


class MigrationChanged(Exception):
    """An applied migration was edited afterwards; write a new one instead."""


def migrate(conninfo: str, folder: Path = FOLDER) -> list[str]:
    """Apply the files this database has not seen; returns their names.

    All or nothing, one migrator at a time however many start at once.
    Raises MigrationChanged if a file that was applied before has other content now.
    """
    with psycopg.connect(conninfo) as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.migration ("
            " name text PRIMARY KEY, sha256 text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = connection.execute("SELECT name, sha256 FROM public.migration").fetchall()
        applied: dict[str, str] = dict(rows)
        fresh = []
        for path in sorted(folder.glob("*.sql")):
            content = path.read_bytes()
            digest = sha256(content).hexdigest()
            if path.stem not in applied:
                connection.execute(content)
                connection.execute(
                    "INSERT INTO public.migration (name, sha256) VALUES (%s, %s)",
                    [path.stem, digest],
                )
                fresh.append(path.stem)
            elif applied[path.stem] != digest:
                raise MigrationChanged(f"{path.name} was applied with other content")
    return fresh
