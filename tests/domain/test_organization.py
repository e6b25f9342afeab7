"""The life of an organization, as given/when/then."""

import msgspec
import pytest

from domain.organization import (
    ORGANIZATION,
    AcceptOrganization,
    CreateOrganization,
    DeclineOrganization,
    NewOwnerNotMember,
    OfferOrganization,
    OrganizationCommand,
    OrganizationCreated,
    OrganizationDeclined,
    OrganizationExists,
    OrganizationNotOffered,
    OrganizationOffered,
    OrganizationOfferWithdrawn,
    OrganizationRenamed,
    OrganizationSlug,
    OrganizationSlugTaken,
    OrganizationTransferred,
    OrganizationUnknown,
    RenameOrganization,
    WithdrawOrganizationOffer,
)
from tests.given import Story

story = Story(ORGANIZATION)
ID, ADA, GRACE, JOAN = "f" * 24, "a" * 24, "b" * 24, "c" * 24

create = CreateOrganization(organization_id=ID, slug="lampen", name="Lampen AG", owner=ADA)
created = OrganizationCreated(organization_id=ID, slug="lampen", name="Lampen AG", owner=ADA)
rename = RenameOrganization(organization_id=ID, name="Licht AG")
offered = OrganizationOffered(organization_id=ID, user_id=GRACE)
withdraw = WithdrawOrganizationOffer(organization_id=ID)
withdrawn = OrganizationOfferWithdrawn(organization_id=ID, user_id=GRACE)
decline = DeclineOrganization(organization_id=ID, user_id=GRACE)
declined = OrganizationDeclined(organization_id=ID, user_id=GRACE)
transferred = OrganizationTransferred(organization_id=ID, owner=GRACE, before=ADA)


def offer(user_id: str = GRACE, *, is_member: bool = True) -> OfferOrganization:
    return OfferOrganization(organization_id=ID, user_id=user_id, is_member=is_member)


def accept(user_id: str = GRACE, *, is_member: bool = True) -> AcceptOrganization:
    return AcceptOrganization(organization_id=ID, user_id=user_id, is_member=is_member)


def test_an_organization_is_created() -> None:
    story.given().when(create).then(created)


def test_an_id_and_a_slug_are_used_once() -> None:
    story.given(created).when(create).then_refused(OrganizationExists)
    taken = msgspec.structs.replace(create, slug_taken=True)
    story.given().when(taken).then_refused(OrganizationSlugTaken, "slug lampen exists already")


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a b", "a" * 65, "e" * 24, "a\n", "1" * 24])
def test_a_slug_is_never_taken_for_an_id_or_anything_else(slug: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(slug, OrganizationSlug)


@pytest.mark.parametrize("slug", ["a", "a-b", "7000", "a" * 64, "e" * 23, "g" + "e" * 23])
def test_any_other_slug_will_do(slug: str) -> None:
    assert msgspec.convert(slug, OrganizationSlug) == slug


def test_an_organization_is_renamed() -> None:
    renamed = OrganizationRenamed(organization_id=ID, name="Licht AG")
    story.given(created).when(rename).then(renamed)
    story.given(created, renamed).when(rename).then_nothing()


@pytest.mark.parametrize("command", [rename, offer(), withdraw, decline, accept()])
def test_nothing_can_be_done_to_an_organization_that_never_was(
    command: OrganizationCommand,
) -> None:
    story.given().when(command).then_refused(OrganizationUnknown)


def test_the_owner_offers_it_to_a_member() -> None:
    story.given(created).when(offer()).then(offered)
    story.given(created, offered).when(offer()).then_nothing()
    story.given(created).when(offer(ADA)).then_nothing()
    story.given(created).when(offer(is_member=False)).then_refused(NewOwnerNotMember)


def test_a_later_offer_takes_the_place_of_an_earlier_one() -> None:
    to_joan = OrganizationOffered(organization_id=ID, user_id=JOAN)
    story.given(created, offered).when(offer(JOAN)).then(to_joan)
    story.given(created, offered, to_joan).when(accept()).then_refused(OrganizationNotOffered)


def test_who_accepts_is_the_owner_and_only_once() -> None:
    story.given(created, offered).when(accept()).then(transferred)
    story.given(created, offered, transferred).when(accept()).then_nothing()
    story.given(created, offered, transferred).when(accept(ADA)).then_refused(
        OrganizationNotOffered
    )


def test_nobody_accepts_what_they_were_not_offered() -> None:
    story.given(created).when(accept()).then_refused(OrganizationNotOffered)
    story.given(created, offered).when(accept(JOAN)).then_refused(OrganizationNotOffered)
    story.given(created, offered, withdrawn).when(accept()).then_refused(OrganizationNotOffered)
    story.given(created, offered, declined).when(accept()).then_refused(OrganizationNotOffered)


def test_who_has_left_the_team_meanwhile_does_not_become_the_owner() -> None:
    story.given(created, offered).when(accept(is_member=False)).then_refused(NewOwnerNotMember)


def test_an_offer_is_declined_or_withdrawn_once() -> None:
    story.given(created, offered).when(decline).then(declined)
    story.given(created, offered, declined).when(decline).then_nothing()
    story.given(created).when(decline).then_refused(OrganizationNotOffered)
    story.given(created, offered).when(withdraw).then(withdrawn)
    story.given(created, offered, withdrawn).when(withdraw).then_nothing()


def test_who_declined_may_be_asked_again() -> None:
    story.given(created, offered, declined).when(offer()).then(offered)
    story.given(created, offered, declined, offered).when(decline).then(declined)
