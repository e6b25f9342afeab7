"""How the cloud is: whether it lives, whether it serves, how far the log is followed."""

from datetime import datetime

import psycopg
from msgspec import Struct
from psycopg_pool import PoolTimeout
from starlette.requests import Request
from starlette.responses import Response

from api.call import Call, Cloud
from api.views import stamp_or_none

BEHIND_EVENTS_MAX = 50_000  # beyond, what is read is too old to be called ready

FOLLOWERS = """
    SELECT coalesce(f.name, s.follower) AS name, f.position,
           coalesce(s.state, 'following') AS state, s.position AS stopped_at,
           coalesce(s.reason, '') AS reason, s.since
    FROM (SELECT application_name AS name, notification_id AS position FROM fleet.tracking
          UNION ALL SELECT application_name, notification_id FROM history.tracking
          UNION ALL SELECT application_name, notification_id FROM described.tracking
          UNION ALL SELECT application_name, notification_id FROM access.tracking
          UNION ALL SELECT application_name, notification_id FROM follow.tracking) f
    FULL JOIN follow.status s ON s.follower = f.name
    ORDER BY 1
"""
MAILS = """
    SELECT count(*) FILTER (WHERE state = 'due') AS waiting,
           count(*) FILTER (WHERE state = 'parked') AS parked
    FROM follow.mail WHERE state IN ('due', 'parked')
"""
HEAD = "SELECT coalesce(max(notification_id), 0) FROM log.fleet_events"
SERVING = """
    SELECT (SELECT coalesce(max(notification_id), 0) FROM log.fleet_events)
         - least((SELECT coalesce(max(notification_id), 0) FROM fleet.tracking),
                 (SELECT coalesce(max(notification_id), 0) FROM access.tracking))
"""


class Follower(Struct, frozen=True):
    name: str
    position: int | None
    state: str
    stopped_at: int | None
    reason: str
    since: datetime | None


class FollowerObject(Struct, frozen=True):
    """`stopped_at` is the position of the event that a stopped follower cannot take, and why."""

    name: str
    state: str
    position: int | None
    behind: int | None
    stopped_at: int | None
    reason: str | None
    since: str | None


class Mails(Struct, frozen=True):
    """How many wait to be sent, and how many were given up."""

    waiting: int
    parked: int


class Status(Struct, frozen=True):
    """`position` is the last one of the log."""

    ok: bool
    position: int
    followers: list[FollowerObject]
    mails: Mails


async def status(call: Call) -> Status:
    """How far each follower of the log has come, and which have stopped."""
    async with call.snapshot() as snapshot:
        head = await snapshot.value(HEAD)
        followers = await snapshot.all(Follower, FOLLOWERS)
        mails = await snapshot.one(Mails, MAILS)
    assert mails is not None
    shown = [shown_follower(follower, head) for follower in followers]
    return Status(all(one.state == "following" for one in shown), head, shown, mails)


def shown_follower(follower: Follower, head: int) -> FollowerObject:
    return FollowerObject(
        name=follower.name,
        state=follower.state,
        position=follower.position,
        behind=None if follower.position is None else max(0, head - follower.position),
        stopped_at=follower.stopped_at,
        reason=follower.reason or None,
        since=stamp_or_none(follower.since),
    )


async def health(request: Request) -> Response:
    """The process lives."""
    return Response(b'{"ok":true}', media_type="application/json")


async def ready(request: Request) -> Response:
    """The process can answer, from read models that are not far behind the log."""
    cloud: Cloud = request.app.state.cloud
    try:
        async with cloud.database.reading() as rows:
            behind = await rows.value(SERVING) > BEHIND_EVENTS_MAX
    except (psycopg.Error, PoolTimeout):
        return Response(b'{"ok":false,"ready":false}', 503, media_type="application/json")
    body = b'{"ok":true,"ready":%b,"behind":%b}' % (
        b"false" if behind else b"true",
        b"true" if behind else b"false",
    )
    return Response(body, 503 if behind else 200, media_type="application/json")
