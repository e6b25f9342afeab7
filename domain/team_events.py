"""What happens to a team: people invited, seated, moved and gone; programs among them.

`team` is a product id as text, or an organization's id; of the first, `product_id` says the number.
"""

from typing import TypeAlias

from domain.model import Event

PRODUCT_ID_DIGITS_MAX = 5  # what is longer is an organization's id


class MemberInvited(Event):
    """A user has an open seat until then; who was invited already, now has this one."""

    team: str
    user_id: str
    role: str
    expires_at: str
    product_id: int | None = None


class InvitationAccepted(Event):
    """The user is a member, with the role of the invitation."""

    team: str
    user_id: str
    product_id: int | None = None


class InvitationDeclined(Event):
    team: str
    user_id: str
    product_id: int | None = None


class InvitationExpired(Event):
    team: str
    user_id: str
    product_id: int | None = None


class InvitationWithdrawn(Event):
    team: str
    user_id: str
    product_id: int | None = None


class MemberRoleChanged(Event):
    team: str
    user_id: str
    role: str
    product_id: int | None = None


class MemberRemoved(Event):
    team: str
    user_id: str
    product_id: int | None = None


class MemberLeft(Event):
    team: str
    user_id: str
    product_id: int | None = None


class OwnerSeated(Event):
    """The owner has a seat too, which counts once somebody else is the owner."""

    team: str
    user_id: str
    role: str
    product_id: int | None = None


class ApiUserCreated(Event):
    """A program is a member. `token_id` names the one token that works for it."""

    team: str
    api_user_id: str
    username: str
    friendly_name: str
    scopes: tuple[str, ...]
    token_id: str
    product_id: int | None = None


class ApiUserChanged(Event):
    """With other scopes comes another token; the one before works no longer."""

    team: str
    api_user_id: str
    friendly_name: str
    scopes: tuple[str, ...]
    token_id: str
    product_id: int | None = None


class ApiUserTokenReplaced(Event):
    team: str
    api_user_id: str
    token_id: str
    product_id: int | None = None


class ApiUserRemoved(Event):
    team: str
    api_user_id: str
    product_id: int | None = None


MemberEvent: TypeAlias = (
    MemberInvited
    | InvitationAccepted
    | InvitationDeclined
    | InvitationExpired
    | InvitationWithdrawn
    | MemberRoleChanged
    | MemberRemoved
    | MemberLeft
    | OwnerSeated
)
ApiUserEvent: TypeAlias = ApiUserCreated | ApiUserChanged | ApiUserTokenReplaced | ApiUserRemoved
TeamEvent: TypeAlias = MemberEvent | ApiUserEvent


def product_of(team: str) -> int | None:
    """The product whose team it is, None for an organization's."""
    return int(team) if len(team) <= PRODUCT_ID_DIGITS_MAX else None
