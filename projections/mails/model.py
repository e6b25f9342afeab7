"""Which mails are to be sent: a list kept by events, one entry for each event and recipient."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Cursor

from domain.activation_code import ActivationCodeIssued, ActivationCodeResent
from domain.log.mapper import RecordedMapper
from domain.meter import UsageLimitReached, UsageWarned
from domain.model import Event
from domain.organization import OrganizationOffered
from domain.ownership import TransferRequested
from domain.product_ownership import ProductOffered
from domain.team_events import MemberInvited
from domain.user_events import EmailChanged, PasswordResetRequested, UserSignedUp
from projections.following import Page, read_rows
from projections.trouble import CannotApply

PAGE_EVENTS_MAX = 5_000
TOLD_WITHIN = timedelta(days=7)  # a log that is followed anew is not all told once more

USER = "user"  # at the e-mail that their account has
FORMER = "former"  # at the one that it had until this event

WELCOME = "welcome"
RESET = "reset"
ADDRESS_NEW = "address_new"
ADDRESS_LEFT = "address_left"
INVITATION = "invitation"
OWNERSHIP = "ownership"
DEVICE = "device"
ACTIVATION = "activation"
USAGE = "usage"

TOPICS = tuple(
    kind.TOPIC
    for kind in (
        UserSignedUp,
        PasswordResetRequested,
        EmailChanged,
        MemberInvited,
        ProductOffered,
        OrganizationOffered,
        TransferRequested,
        ActivationCodeIssued,
        ActivationCodeResent,
        UsageWarned,
        UsageLimitReached,
    )
)
LIST = """
    INSERT INTO follow.mail ("position", recipient, user_id, kind, due_at)
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
    ON CONFLICT DO NOTHING
"""


class Entry(NamedTuple):
    """A mail to be sent. `user_id` may be the id of an activation code, which has an e-mail."""

    recipient: str
    user_id: str
    kind: str


def mails_about(event: Event) -> Iterator[Entry]:
    """Who is to be mailed what."""
    match event:
        case UserSignedUp(user_id=user_id, administrator=False):
            yield Entry(USER, user_id, WELCOME)
        case PasswordResetRequested(user_id=user_id):
            yield Entry(USER, user_id, RESET)
        case EmailChanged(user_id=user_id):
            yield Entry(USER, user_id, ADDRESS_NEW)
            yield Entry(FORMER, user_id, ADDRESS_LEFT)
        case MemberInvited(user_id=user_id):
            yield Entry(USER, user_id, INVITATION)
        case ProductOffered(user_id=user_id) | OrganizationOffered(user_id=user_id):
            yield Entry(USER, user_id, OWNERSHIP)
        case TransferRequested(owner=owner):
            yield Entry(USER, owner, DEVICE)
        case (
            ActivationCodeIssued(activation_id=activation_id)
            | ActivationCodeResent(activation_id=activation_id)
        ):
            yield Entry(USER, activation_id, ACTIVATION)
        case UsageWarned(payer=payer) | UsageLimitReached(payer=payer) if payer:
            yield Entry(USER, payer, USAGE)


class MailModel:
    """The list, `follow.mail`."""

    name = "mails"
    schema = "follow"
    page_events_max = PAGE_EVENTS_MAX

    def __init__(self, *, now: Callable[[], datetime] | None = None) -> None:
        self._now = now or (lambda: datetime.now(UTC))
        self._event = RecordedMapper().event

    def begin(self) -> None:
        """Nothing is remembered from page to page."""

    def apply(self, cursor: Cursor[tuple[Any, ...]], page: Page) -> None:
        since = self._now() - TOLD_WITHIN
        rows = []
        for _, _, topic, state, position, recorded_at in read_rows(cursor, page, TOPICS):
            if recorded_at < since:
                continue
            try:
                event = self._event(topic, state)
            except Exception as error:
                raise CannotApply(position, f"{topic}: {error}") from error
            rows += [(position, *entry, recorded_at) for entry in mails_about(event)]
        if rows:
            cursor.execute(LIST, [list(column) for column in zip(*rows, strict=True)])
