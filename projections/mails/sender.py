"""Sends the mails that are due. Each is sent once, unless we die between its being taken and our
writing that down; then it comes twice, under the same Message-ID."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection

from domain.log.master_keys import MasterKeyWrong
from domain.log.seals import SealBroken
from projections.mails.model import RESET
from projections.mails.post import NotNow, Outcome, Post, Refused, Taken
from projections.mails.wording import Moot
from projections.mails.writing import AddressMalformed, Due, Mail, Writer
from projections.tracking import FOLLOWED
from projections.trouble import Stopped, reason_of

AT_ONCE_MAX = 20
ATTEMPTS_MAX = 14  # over about two and a half days; then it is parked, and listed
WAIT_S_MIN = 30  # after the first attempt, doubled with each further one
WAIT_S_MAX = 86_400
AN_HOUR_MAX = 30  # of one kind, to one user

SENT, PARKED, DROPPED = "sent", "parked", "dropped"

DUE = """
    SELECT "position", recipient, user_id, kind, attempts FROM follow.mail
    WHERE state = 'due' AND due_at <= %s ORDER BY due_at, "position", recipient LIMIT %s
"""
SETTLE = """
    UPDATE follow.mail SET state = %s, attempts = %s, trouble = %s, settled_at = %s
    WHERE "position" = %s AND recipient = %s
"""
WAIT = """
    UPDATE follow.mail SET attempts = %s, trouble = %s, due_at = %s
    WHERE "position" = %s AND recipient = %s
"""
LATELY = """
    SELECT count(*) FROM follow.mail
    WHERE user_id = %s AND kind = %s AND state = 'sent' AND settled_at > %s
"""


class MailSender:
    """The task of sending what is due."""

    name = "mail_sender"
    channel = FOLLOWED
    rest_s = 0.0

    def __init__(
        self, writer: Writer, post: Post, *, now: Callable[[], datetime] | None = None
    ) -> None:
        self._writer = writer
        self._post = post
        self._now = now or (lambda: datetime.now(UTC))

    def begin(self, connection: Connection[tuple[Any, ...]]) -> None:
        # That a mail is sent cannot be made again from the log.
        connection.execute("SET synchronous_commit = on")

    def step(self, connection: Connection[tuple[Any, ...]]) -> bool:
        """Send some of what is due, oldest first."""
        now = self._now()
        found = connection.execute(DUE, [now, AT_ONCE_MAX], prepare=True).fetchall()
        dues = self._bearable(connection, [Due(*row) for row in found], now)
        mails = [mail for due in dues if (mail := self._written(connection, due, now))]
        if mails:
            self._post.deliver(
                mails, lambda mail, outcome: self._say(connection, mail.due, outcome)
            )
        return bool(found)

    def _bearable(
        self, connection: Connection[tuple[Any, ...]], dues: Sequence[Due], now: datetime
    ) -> list[Due]:
        """Without what is too much for one person: nobody's mailbox is filled by way of us."""
        counts: Counter[tuple[str, str]] = Counter()
        bearable = []
        for due in dues:
            # Of asked-for codes the last one must arrive; how often to ask, the API limits.
            if due.kind != RESET:
                who = (due.user_id, due.kind)
                row = connection.execute(LATELY, [*who, now - timedelta(hours=1)]).fetchone()
                assert row is not None
                if row[0] + counts[who] >= AN_HOUR_MAX:
                    self._settle(connection, due, DROPPED, "too many")
                    continue
                counts[who] += 1
            bearable.append(due)
        return bearable

    def _written(
        self, connection: Connection[tuple[Any, ...]], due: Due, now: datetime
    ) -> Mail | None:
        with connection.cursor() as cursor:
            try:
                return self._writer.write(cursor, due, now)
            except Moot as moot:
                self._settle(connection, due, DROPPED, str(moot))
            except (AddressMalformed, SealBroken) as error:
                self._settle(connection, due, PARKED, type(error).__name__)
            except MasterKeyWrong as error:
                raise Stopped(due.position, reason_of(error)) from error
        return None

    def _say(self, connection: Connection[tuple[Any, ...]], due: Due, outcome: Outcome) -> None:
        tried = due._replace(attempts=due.attempts + 1)
        match outcome:
            case Taken():
                self._settle(connection, tried, SENT, "")
            case Refused(reason=reason):
                self._settle(connection, tried, PARKED, reason)
            case NotNow(reason=reason) if tried.attempts >= ATTEMPTS_MAX:
                self._settle(connection, tried, PARKED, reason)
            case NotNow(reason=reason):
                wait_s = wait_after(tried.attempts)
                until = self._now() + timedelta(seconds=wait_s)
                place = [due.position, due.recipient]
                connection.execute(WAIT, [tried.attempts, reason, until, *place])
                tell(due, f"{reason}; again in {wait_s} s")

    def _settle(
        self, connection: Connection[tuple[Any, ...]], due: Due, state: str, trouble: str
    ) -> None:
        what = [state, due.attempts, trouble, self._now()]
        connection.execute(SETTLE, [*what, due.position, due.recipient])
        if state == PARKED:
            tell(due, f"{trouble}; parked")


def wait_after(attempts: int) -> int:
    """Seconds until the next one."""
    return min(WAIT_S_MAX, WAIT_S_MIN << (attempts - 1))


def tell(due: Due, trouble: str) -> None:
    """For the log of the process. Whom it is for, the list knows."""
    print(f"mail {due.position} ({due.kind}): {trouble}", file=sys.stderr, flush=True)
