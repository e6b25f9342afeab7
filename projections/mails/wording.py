"""Which letter an event asks for, and with what in it."""

from datetime import UTC, datetime

from domain.activation_code import ActivationCodeIssued, ActivationCodeResent
from domain.meter import UsageLimitReached, UsageWarned
from domain.organization import OrganizationOffered
from domain.ownership import TransferRequested
from domain.product_ownership import ProductOffered
from domain.recorded import Recorded
from domain.roles import USER_PREFIX
from domain.team_events import MemberInvited
from domain.user_events import RESET, EmailChanged, PasswordResetRequested, UserSignedUp
from projections.mails import letters
from projections.mails.known import Known
from projections.mails.letters import Letter
from projections.mails.model import FORMER


class Moot(Exception):
    """There is nobody to say it to any more, or nothing to say."""


def letter_about(
    recorded: Recorded, recipient: str, url: str, known: Known, now: datetime
) -> Letter:
    """Raises Moot."""
    match recorded.event:
        case UserSignedUp():
            return letters.welcome(url)
        case PasswordResetRequested(user_id=user_id, reset=sealed, expires_at=expires_at):
            token = known.unsealed(user_id, RESET, sealed)
            if token is None:
                raise Moot("erased")
            return letters.reset(url, token, still_until(expires_at, now))
        case EmailChanged():
            return letters.address_left(url) if recipient == FORMER else letters.address_new(url)
        case MemberInvited(team=team, role=role, product_id=product_id, expires_at=expires_at):
            until = still_until(expires_at, now)
            is_product = product_id is not None
            where = known.product(int(team)) if is_product else known.organization(team)
            return letters.invitation(url, who_did(recorded, known), where, role, team, until)
        case ProductOffered(product_id=product_id):
            where, team = known.product(product_id), str(product_id)
            return letters.ownership(url, who_did(recorded, known), where, team)
        case OrganizationOffered(organization_id=team):
            where = known.organization(team)
            return letters.ownership(url, who_did(recorded, known), where, team)
        case TransferRequested(device_id=device_id, transfer_id=transfer_id, user_id=user_id):
            until = still_until(recorded.event.expires_at, now)
            who = known.email_of(user_id) or ""
            return letters.device(url, who, known.device(device_id), transfer_id, until)
        case (
            ActivationCodeIssued(activation_id=activation_id, product_id=product_id)
            | ActivationCodeResent(activation_id=activation_id, product_id=product_id)
        ):
            found = known.activation_code(activation_id)
            if found is None:
                raise Moot("removed")
            return letters.activation(known.product(product_id), found[1])
        case UsageWarned(percent=percent, messages=messages, limit=limit, period_end=until):
            place = place_of(recorded.event, known)
            return letters.usage_warned(url, place, percent, messages, limit, until)
        case UsageLimitReached(limit=limit, period_end=until):
            return letters.usage_reached(url, place_of(recorded.event, known), limit, until)
    raise AssertionError(f"no letter is about {recorded.event}")


def place_of(event: UsageWarned | UsageLimitReached, known: Known) -> str:
    """What a meter is of, in words."""
    return "Your sandbox" if event.product_id is None else known.product(event.product_id)


def who_did(recorded: Recorded, known: Known) -> str:
    """The e-mail of whoever the event came from, empty if it was no user."""
    actor = recorded.provenance.actor
    if not actor.startswith(USER_PREFIX):
        return ""
    return known.email_of(actor.removeprefix(USER_PREFIX)) or ""


def still_until(expires_at: str, now: datetime) -> str:
    """The end of a term as people read it. Raises Moot if it is past."""
    end = datetime.fromisoformat(expires_at)
    end = end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC)
    if end <= now:
        raise Moot("over")
    return f"{end:%d %B %Y, %H:%M} UTC"
