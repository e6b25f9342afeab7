"""Who may sit in a team, and how they come and go, as given/when/then."""

import pytest

from domain.roles import SCOPES_OF, Role
from domain.scopes import API_USER_SCOPES
from domain.team import (
    SEATS_PER_TEAM_MAX,
    TEAM,
    AcceptInvitation,
    AlreadyMember,
    ChangeMemberRole,
    DeclineInvitation,
    ExpireInvitation,
    InvitationOver,
    InvitationUnknown,
    InviteMember,
    LeaveTeam,
    MemberUnknown,
    OwnershipNotInvited,
    OwnerStays,
    RemoveMember,
    RoleNotGiven,
    SeatOwner,
    TeamCommand,
    TeamFull,
)
from domain.team_events import (
    InvitationAccepted,
    InvitationDeclined,
    InvitationExpired,
    InvitationWithdrawn,
    MemberEvent,
    MemberInvited,
    MemberLeft,
    MemberRemoved,
    MemberRoleChanged,
    OwnerSeated,
    TeamEvent,
)
from tests.given import Story

story = Story(TEAM)
ADA, GRACE, JOAN = "a" * 24, "b" * 24, "c" * 24
NOW, UNTIL, LATER = "2030-01-01T10:00:00.000Z", "2030-01-15T10:00:00.000Z", "2030-02-01T10:00:00Z"


def invite(user_id: str = GRACE, role: Role = Role.DEVELOPER, **more: object) -> InviteMember:
    given = {"team": "7000", "at": NOW, "expires_at": UNTIL, "owner": ADA, **more}
    return InviteMember(user_id=user_id, role=role, **given)  # type: ignore[arg-type]


def invited(user_id: str = GRACE, role: str = "Developer", expires_at: str = UNTIL) -> TeamEvent:
    return MemberInvited(
        team="7000", user_id=user_id, role=role, expires_at=expires_at, product_id=7000
    )


def of(kind: type[MemberEvent], user_id: str = GRACE, **more: str) -> MemberEvent:
    return kind(team="7000", user_id=user_id, product_id=7000, **more)


accepted = of(InvitationAccepted)
expired = of(InvitationExpired)
declined = of(InvitationDeclined)
withdrawn = of(InvitationWithdrawn)
removed = of(MemberRemoved)
left = of(MemberLeft)
accept = AcceptInvitation(team="7000", user_id=GRACE, at=NOW)
decline = DeclineInvitation(team="7000", user_id=GRACE)
remove = RemoveMember(team="7000", user_id=GRACE, owner=ADA)
leave = LeaveTeam(team="7000", user_id=GRACE, owner=ADA)


def expire(at: str) -> ExpireInvitation:
    return ExpireInvitation(team="7000", user_id=GRACE, at=at)


def change(role: Role, user_id: str = GRACE) -> ChangeMemberRole:
    return ChangeMemberRole(team="7000", user_id=user_id, role=role, owner=ADA)


def test_a_user_is_invited_with_a_role_and_until_a_time() -> None:
    story.given().when(invite()).then(invited())


def test_events_of_an_organizations_team_are_about_no_product() -> None:
    story.given().when(invite(team="f" * 24)).then(
        MemberInvited(team="f" * 24, user_id=GRACE, role="Developer", expires_at=UNTIL)
    )


def test_who_is_there_already_is_not_invited() -> None:
    story.given().when(invite(ADA)).then_refused(AlreadyMember, "They are a member of the team")
    story.given(invited(), accepted).when(invite()).then_refused(AlreadyMember)


def test_nobody_is_invited_to_be_the_owner() -> None:
    story.given().when(invite(role=Role.OWNER)).then_refused(OwnershipNotInvited)


def test_nobody_gives_a_role_that_may_more_than_they_do() -> None:
    support = SCOPES_OF[Role.SUPPORT] & API_USER_SCOPES
    for role in (Role.VIEW_ONLY, Role.SUPPORT):
        story.given().when(invite(role=role, scopes_held=support)).then(invited(role=role.value))
    for role in (Role.DEVELOPER, Role.ADMINISTRATOR):
        story.given().when(invite(role=role, scopes_held=support)).then_refused(
            RoleNotGiven, f"The role {role.value} may do what you may not"
        )
        more = ChangeMemberRole(team="7000", user_id=GRACE, role=role, scopes_held=support)
        story.given(invited(role="Support"), accepted).when(more).then_refused(RoleNotGiven)


def test_nobody_is_invited_until_a_time_that_is_past() -> None:
    story.given().when(invite(expires_at=NOW)).then_refused(InvitationOver)


def test_the_same_invitation_twice_is_one() -> None:
    story.given(invited()).when(invite(expires_at=LATER)).then_nothing()


def test_who_is_invited_as_something_else_has_the_newer_invitation() -> None:
    story.given(invited()).when(invite(role=Role.SUPPORT)).then(invited(role="Support"))


@pytest.mark.parametrize("ended", [declined, expired, withdrawn])
def test_whose_invitation_came_to_nothing_may_be_invited_again(ended: TeamEvent) -> None:
    story.given(invited(), ended).when(invite()).then(invited())


@pytest.mark.parametrize("gone", [removed, left])
def test_who_was_a_member_may_be_invited_again(gone: TeamEvent) -> None:
    story.given(invited(), accepted, gone).when(invite()).then(invited())


def test_an_invitation_that_nobody_has_ended_yet_is_ended_by_the_next() -> None:
    again = invite(at=UNTIL, expires_at="2030-03-01T10:00:00.000Z")
    story.given(invited()).when(again).then(expired, invited(expires_at=again.expires_at))


def test_who_accepts_is_a_member_with_the_role_of_the_invitation() -> None:
    story.given(invited(role="Support")).when(accept).then(accepted)
    story.given(invited(role="Support"), accepted).when(change(Role.SUPPORT)).then_nothing()


def test_of_two_answers_the_first_counts() -> None:
    story.given(invited(), accepted).when(accept).then_nothing()
    story.given(invited(), accepted).when(decline).then_refused(InvitationUnknown)
    story.given(invited(), declined).when(accept).then_refused(InvitationUnknown)
    story.given(invited(), withdrawn).when(accept).then_refused(InvitationUnknown)


def test_an_invitation_is_accepted_before_it_ends_and_not_then() -> None:
    story.given(invited(expires_at=NOW)).when(accept).then_refused(
        InvitationOver, "The invitation was open until 2030-01-01T10:00:00.000Z."
    )


def test_who_is_not_invited_answers_nothing() -> None:
    for command in (accept, decline):
        story.given().when(command).then_refused(InvitationUnknown)


@pytest.mark.parametrize(("command", "event"), [(decline, declined), (remove, withdrawn)])
def test_an_invitation_is_declined_or_withdrawn_once(
    command: TeamCommand, event: TeamEvent
) -> None:
    story.given(invited()).when(command).then(event)
    story.given(invited(), event).when(command).then_nothing()


def test_an_invitation_expires_when_its_time_has_come() -> None:
    story.given(invited()).when(expire(NOW)).then_nothing()
    story.given(invited()).when(expire(UNTIL)).then(expired)
    story.given(invited(), expired).when(expire(LATER)).then_nothing()
    story.given(invited(), accepted).when(expire(LATER)).then_nothing()


def test_a_member_gets_another_role() -> None:
    story.given(invited(), accepted).when(change(Role.ADMINISTRATOR)).then(
        of(MemberRoleChanged, role="Administrator")
    )
    story.given(invited(), accepted).when(change(Role.DEVELOPER)).then_nothing()


def test_who_is_invited_is_invited_with_the_other_role_from_then_on() -> None:
    story.given(invited()).when(change(Role.VIEW_ONLY)).then(invited(role="View-only"))
    story.given(invited()).when(change(Role.DEVELOPER)).then_nothing()


def test_only_members_have_roles_and_none_is_the_owners() -> None:
    story.given().when(change(Role.SUPPORT)).then_refused(MemberUnknown)
    story.given(invited(), accepted, left).when(change(Role.SUPPORT)).then_refused(MemberUnknown)
    story.given(invited(), accepted).when(change(Role.OWNER)).then_refused(OwnershipNotInvited)


def test_the_owner_is_neither_demoted_nor_removed_and_does_not_leave() -> None:
    seat = of(OwnerSeated, ADA, role="Administrator")
    for history in ((), (seat,)):
        now = story.given(*history)
        now.when(change(Role.VIEW_ONLY, ADA)).then_refused(OwnerStays)
        now.when(RemoveMember(team="7000", user_id=ADA, owner=ADA)).then_refused(OwnerStays)
        now.when(LeaveTeam(team="7000", user_id=ADA, owner=ADA)).then_refused(OwnerStays)


@pytest.mark.parametrize(("command", "event"), [(remove, removed), (leave, left)])
def test_a_member_is_removed_or_leaves_once(command: TeamCommand, event: TeamEvent) -> None:
    story.given(invited(), accepted).when(command).then(event)
    story.given(invited(), accepted, event).when(command).then_nothing()
    story.given().when(command).then_refused(MemberUnknown)


def test_who_is_only_invited_has_nothing_to_leave() -> None:
    story.given(invited()).when(leave).then_refused(MemberUnknown)


def test_an_owner_takes_a_seat_to_stay_as_an_administrator() -> None:
    seat = SeatOwner(team="7000", user_id=ADA)
    seated = of(OwnerSeated, ADA, role="Administrator")
    story.given().when(seat).then(seated)
    story.given(seated).when(seat).then_nothing()
    story.given(seated).when(change(Role.SUPPORT, GRACE)).then_refused(MemberUnknown)


def test_a_plan_allows_so_many_seats_the_owners_among_them() -> None:
    full = story.given(invited(GRACE), of(InvitationAccepted, GRACE))
    full.when(invite(JOAN, seats_max=3)).then(invited(JOAN))
    full.when(invite(JOAN, seats_max=2)).then_refused(
        TeamFull, "The team has 2 seats, the owner's and open invitations among them, and its plan"
    )


def test_an_owner_who_took_a_seat_sits_on_one() -> None:
    seated = story.given(of(OwnerSeated, ADA, role="Administrator"))
    seated.when(invite(JOAN, seats_max=2)).then(invited(JOAN))


def test_an_open_invitation_holds_its_seat_until_it_ends() -> None:
    pending = story.given(invited(GRACE))
    pending.when(invite(JOAN, seats_max=2)).then_refused(TeamFull)
    pending.when(invite(JOAN, seats_max=2, at=UNTIL, expires_at="2031")).then(
        invited(JOAN, expires_at="2031")
    )
    pending.when(invite(GRACE, Role.SUPPORT, seats_max=2)).then(invited(GRACE, "Support"))


def test_a_team_has_a_bounded_number_of_seats_whatever_the_plan() -> None:
    seats = [
        of(OwnerSeated, f"{number:024x}", role="Support")
        for number in range(SEATS_PER_TEAM_MAX - 1)
    ]
    story.given(*seats).when(invite(seats_max=10**6)).then_refused(TeamFull, "allows 1000.")
    story.given(*seats[1:]).when(invite()).then(invited())
