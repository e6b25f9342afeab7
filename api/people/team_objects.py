"""A team as the API shows it, and what may be said of one."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from api.people.team_programs import ProgramObject, Scopes, TokenShown
from api.people.team_rows import AccountRow, ProgramRow, SeatRow
from api.views import stamp
from domain.names import EMAIL_CHARACTERS_MAX, Name
from domain.roles import Role
from domain.team_events import product_of

ROLE_CHARACTERS_MAX = 32

Username = Annotated[str, Meta(min_length=1, max_length=EMAIL_CHARACTERS_MAX)]
RoleName = Annotated[str, Meta(max_length=ROLE_CHARACTERS_MAX)]


class RoleObject(Struct, frozen=True):
    id: str
    name: str


class MemberObject(Struct, frozen=True, rename={"id_": "_id"}):
    """A member, somebody invited (`pending`, until it has `expired`), or a program.

    Of a program there are `friendly_name`, `scopes`, `is_programmatic`, and the product or the
    organization that it belongs to; of people the rest. `username` is what somebody is called
    today, null in a team of the past for who was erased since.
    """

    id_: str
    username: str | None
    role: RoleObject | UnsetType = UNSET
    pending: bool | UnsetType = UNSET
    expired: bool | UnsetType = UNSET
    invited_at: str | UnsetType = UNSET
    expires_at: str | UnsetType = UNSET
    no_mfa: bool | UnsetType = UNSET
    scim_provisioned: bool | UnsetType = UNSET
    no_password: bool | UnsetType = UNSET
    friendly_name: str | UnsetType = UNSET
    scopes: list[str] | UnsetType = UNSET
    is_programmatic: bool | UnsetType = UNSET
    product_id: int | UnsetType = UNSET
    organization_id: str | UnsetType = UNSET


class TeamObject(Struct, frozen=True):
    team: list[MemberObject]
    ok: bool = True


class OneMember(Struct, frozen=True):
    member: MemberObject
    ok: bool = True


class NewMember(Struct, frozen=True):
    """A user, by `username` and `role`; or a program, by `friendly_name` and `scopes`."""

    username: Username | UnsetType = UNSET
    role: RoleName | UnsetType = UNSET
    friendly_name: Name | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET


class MemberChange(Struct, frozen=True):
    """The `role` of a user; the `friendly_name` and the `scopes` of a program."""

    role: RoleName | UnsetType = UNSET
    friendly_name: Name | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET


class Invited(Struct, frozen=True):
    username: str
    role: RoleObject
    expires_at: str


class Added(Struct, frozen=True):
    """What came of it: somebody was `invited`, or a program `created`."""

    invited: Invited | UnsetType = UNSET
    created: ProgramObject | UnsetType = UNSET
    ok: bool = True


class Changed(Struct, frozen=True):
    """Of a user the new `role`; of a program what it is now, and the `tokens` that it got."""

    username: str
    role: RoleObject | UnsetType = UNSET
    friendly_name: str | UnsetType = UNSET
    scopes: list[str] | UnsetType = UNSET
    is_programmatic: bool | UnsetType = UNSET
    tokens: list[TokenShown] | UnsetType = UNSET


class Updated(Struct, frozen=True):
    updated: Changed
    ok: bool = True


def shown_role(role: Role) -> RoleObject:
    return RoleObject(role.lower(), role.value)


def shown_owner(owner: AccountRow) -> MemberObject:
    return MemberObject(
        id_=owner.user_id,
        username=owner.email,
        role=shown_role(Role.OWNER),
        no_mfa=not owner.mfa,
        scim_provisioned=False,
        no_password=False,
    )


def shown_seat(seat: SeatRow) -> MemberObject:
    pending = seat.state == "invited"
    over = pending and seat.expires_at is not None and seat.expires_at <= datetime.now(UTC)
    return MemberObject(
        id_=seat.user_id,
        username=seat.email,
        role=shown_role(Role(seat.role)),
        pending=pending,
        expired=True if over else UNSET,
        invited_at=stamp(seat.invited_at) if seat.invited_at else UNSET,
        expires_at=stamp(seat.expires_at) if seat.expires_at else UNSET,
        no_mfa=not seat.mfa,
        scim_provisioned=False,
        no_password=False,
    )


def shown_program(program: ProgramRow) -> MemberObject:
    product_id = product_of(program.team)
    return MemberObject(
        id_=program.api_user_id,
        username=program.username,
        friendly_name=program.friendly_name,
        scopes=program.scopes,
        is_programmatic=True,
        product_id=UNSET if product_id is None else product_id,
        organization_id=program.team if product_id is None else UNSET,
    )


def changed_program(program: ProgramObject) -> Changed:
    return Changed(
        username=program.username,
        friendly_name=program.friendly_name,
        scopes=program.scopes,
        is_programmatic=True,
        tokens=program.tokens or UNSET,
    )
