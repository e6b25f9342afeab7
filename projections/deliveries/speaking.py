"""Publishes what deliveries say back: device events of the cloud, in the order they were said."""

from typing import Any

from psycopg import Connection

from domain.subjects import CLOUD, up
from projections.announcing.link import MESSAGE_ID, Link, Message
from projections.deliveries.settling import SAID_CHANNEL

AT_ONCE_MAX = 200

NEXT = "SELECT said_id, message FROM outbound.said ORDER BY said_id LIMIT %s"
SAID = "DELETE FROM outbound.said WHERE said_id = ANY(%s)"


class Speaker:
    """The task of publishing it. Each has an id, by which NATS knows what it has already."""

    name = "deliveries_said"
    channel = SAID_CHANNEL
    rest_s = 0.01

    def __init__(self, link: Link) -> None:
        self._link = link

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        """Everything it knows is in the table."""

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        rows = connection.execute(NEXT, [AT_ONCE_MAX], prepare=True).fetchall()
        if not rows:
            return False
        subject = up(CLOUD, "events")
        self._link.append_all(
            [
                Message(subject, message, {MESSAGE_ID: f"said-{said_id}"})
                for said_id, message in rows
            ]
        )
        connection.execute(SAID, [[said_id for said_id, _ in rows]], prepare=True)
        return True
