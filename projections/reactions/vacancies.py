"""Seats that nobody will take any more: invitations whose time is over, and members who are erased.

What is due is a question to the read model of access; deciders shrug at what is already so.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from domain.log.fleet import Fleet
from domain.model import Command
from domain.recorded import Provenance
from domain.team import ExpireInvitation, LeaveTeam, MemberUnknown, RemoveMember
from projections.tracking import FOLLOWED

DUE_AT_ONCE = 500
ACTOR = "timer:vacancies"

OVER = """
    SELECT team, user_id FROM access.member WHERE state = 'invited' AND expires_at <= %s
    ORDER BY expires_at LIMIT %s
"""
OF_ERASED = """
    SELECT m.team, m.user_id, m.state FROM access.member m JOIN access.account a USING (user_id)
    WHERE a.erased ORDER BY m.team, m.user_id LIMIT %s
"""


class Vacancies:
    """The task of emptying seats, by a clock that tests can set."""

    name = "vacancies"
    channel = FOLLOWED
    rest_s = 0.2

    def __init__(
        self, open_fleet: Callable[[], Fleet], *, now: Callable[[], datetime] | None = None
    ) -> None:
        self._open_fleet = open_fleet
        self._now = now or (lambda: datetime.now(UTC))

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        """Everything it knows is in the table."""

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Empty the seats that are due; False once nothing comes of it."""
        now = self._now()
        at = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        over = connection.execute(OVER, [now, DUE_AT_ONCE]).fetchall()
        commands: list[Command] = [
            ExpireInvitation(team=team, user_id=user_id, at=at) for team, user_id in over
        ]
        for team, user_id, state in connection.execute(OF_ERASED, [DUE_AT_ONCE]).fetchall():
            kind = RemoveMember if state == "invited" else LeaveTeam
            commands.append(kind(team=team, user_id=user_id))
        # Rows whose events the read model does not know yet come again: nothing comes of them.
        came_of_it = [self._carry_out(command) for command in commands]
        return any(came_of_it)

    def _carry_out(self, command: Command) -> bool:
        """Whether anything came of it. Raises Contended."""
        try:
            outcome = self._open_fleet().execute(command, Provenance(actor=ACTOR))
        except MemberUnknown:
            return False  # it is another seat by now: the read model will say so
        return bool(outcome.events)
