"""Who follows and who has stopped, for people: one row per follower."""

from typing import Any

from psycopg import Connection

FOLLOWS = """
    INSERT INTO follow.status AS known VALUES (%s, 'following', NULL, '', now())
    ON CONFLICT (follower) DO UPDATE
    SET state = excluded.state, "position" = NULL, reason = '', since = excluded.since
    WHERE known.state <> 'following'
"""
STOPPED = """
    INSERT INTO follow.status VALUES (%s, 'stopped', %s, %s, now())
    ON CONFLICT (follower) DO UPDATE
    SET state = 'stopped', "position" = excluded."position", reason = excluded.reason,
        since = excluded.since
"""
REASON_CHARACTERS_MAX = 2_000


def say_following(connection: Connection[tuple[Any, ...]], follower: str) -> None:
    connection.execute(FOLLOWS, [follower])


def say_stopped(
    connection: Connection[tuple[Any, ...]], follower: str, position: int | None, reason: str
) -> None:
    # PostgreSQL's text holds no NUL; an event that could not be applied may well hold one.
    spoken = reason.replace("\0", "\\0")[:REASON_CHARACTERS_MAX]
    connection.execute(STOPPED, [follower, position, spoken])
