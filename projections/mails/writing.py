"""Puts a mail together when it is sent: only then are seals opened, and nothing of it is kept."""

from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from re import compile as regex
from typing import Any, NamedTuple

from psycopg import Cursor

from domain.activation_code import ActivationCodeIssued, ActivationCodeResent
from domain.log.mapper import RecordedMapper
from domain.log.seals import Seals
from domain.names import EMAIL_CHARACTERS_MAX
from domain.recorded import Recorded
from domain.user_events import EMAIL, EmailChanged
from projections.announcing.streams import identity_of_log
from projections.mails.known import Known
from projections.mails.model import FORMER
from projections.mails.wording import Moot, letter_about

# What needs no quotes. Letters may be of any alphabet: whether it takes them, the server says.
PLAIN_LOCAL_PART = regex(r"[^\x00-\x20\x7f\s\"(),:;<>@\[\\\]]{1,64}")


class AddressMalformed(Exception):
    """No mail can be addressed to this."""


class Due(NamedTuple):
    """An entry of the list."""

    position: int
    recipient: str
    user_id: str
    kind: str
    attempts: int


class Mail(NamedTuple):
    """A mail that is ready to go, to one address."""

    due: Due
    address: str
    message: EmailMessage


class Writer:
    """Writes mails from `sender`, about the cloud at `url`."""

    def __init__(self, seals: Seals, sender: Address, url: str) -> None:
        self._seals = seals
        self._sender = sender
        self._url = url.rstrip("/")
        self._mapper = RecordedMapper()

    def write(self, cursor: Cursor[tuple[Any, ...]], due: Due, now: datetime) -> Mail:
        """The mail, the same however often it is written but for its date.

        Raises Moot, AddressMalformed, SealBroken, or MasterKeyWrong.
        """
        known = Known(cursor, self._seals, self._mapper)
        recorded = known.event_at(due.position)
        letter = letter_about(recorded, due.recipient, self._url, known, now)
        address = addressed(address_for(recorded, due, known))
        message = EmailMessage(policy=SMTP)
        message["To"] = address
        message["From"] = self._sender
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(now)
        message["Message-ID"] = self._message_id(cursor, due)
        message["Auto-Submitted"] = "auto-generated"  # nobody's absence answers us
        message.set_content(letter.text, cte="quoted-printable")
        return Mail(due, f"{address.username}@{address.domain}", message)

    def _message_id(self, cursor: Cursor[tuple[Any, ...]], due: Due) -> str:
        """Of one event and recipient in one log: who gets the mail twice can tell."""
        log = identity_of_log(cursor)
        return f"<rollcall.{log}.{due.position}.{due.recipient}@{self._sender.domain}>"


def address_for(recorded: Recorded, due: Due, known: Known) -> str:
    """Raises Moot."""
    if isinstance(recorded.event, ActivationCodeIssued | ActivationCodeResent):
        found = known.activation_code(recorded.event.activation_id)
        address = found[0] if found else None
    elif due.recipient == FORMER and isinstance(recorded.event, EmailChanged):
        address = known.unsealed(due.user_id, EMAIL, recorded.event.former)
    else:
        address = known.email_of(due.user_id)
    if not address:
        raise Moot("erased")
    return address


def addressed(address: str) -> Address:
    """An address for a header; what was typed adds no other recipient. Raises AddressMalformed."""
    local, _, domain = address.rpartition("@")
    if len(address) > EMAIL_CHARACTERS_MAX or not PLAIN_LOCAL_PART.fullmatch(local):
        raise AddressMalformed
    try:
        # Every server knows a domain in any alphabet by its spelling in ASCII.
        checked = Address(addr_spec=f"x@{domain.encode('idna').decode()}")
    except (MessageError, ValueError, IndexError) as error:
        raise AddressMalformed from error
    return Address(username=local, domain=checked.domain)
