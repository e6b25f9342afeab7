"""How a product gets another owner, as given/when/then."""

import pytest

from domain.product import PRODUCT, ProductCommand, ProductCreated, ProductRetired, ProductUnknown
from domain.product_ownership import (
    AcceptProduct,
    DeclineProduct,
    NewOwnerUnrelated,
    OfferProduct,
    OwnershipTransferred,
    ProductDeclined,
    ProductNotOffered,
    ProductOffered,
    ProductOfferWithdrawn,
    TransferOwnership,
    WithdrawProductOffer,
)
from tests.given import Story

story = Story(PRODUCT)
ADA, GRACE, JOAN, LAMPS = "a" * 24, "b" * 24, "c" * 24, "f" * 24

created = ProductCreated(
    product_id=7000, platform_id=6, name="Bulb", slug="bulb-7000", owner=f"user:{ADA}"
)
offered = ProductOffered(product_id=7000, user_id=GRACE)
withdraw = WithdrawProductOffer(product_id=7000)
withdrawn = ProductOfferWithdrawn(product_id=7000, user_id=GRACE)
decline = DeclineProduct(product_id=7000, user_id=GRACE)
declined = ProductDeclined(product_id=7000, user_id=GRACE)
to_grace = OwnershipTransferred(product_id=7000, owner=f"user:{GRACE}", before=f"user:{ADA}")
give_to_lamps = TransferOwnership(product_id=7000, owner=f"organization:{LAMPS}")
to_lamps = OwnershipTransferred(
    product_id=7000, owner=f"organization:{LAMPS}", before=f"user:{ADA}"
)


def offer(user_id: str = GRACE, *, is_member: bool = True) -> OfferProduct:
    return OfferProduct(product_id=7000, user_id=user_id, is_member=is_member)


def accept(user_id: str = GRACE, *, is_member: bool = True) -> AcceptProduct:
    return AcceptProduct(product_id=7000, user_id=user_id, is_member=is_member)


def test_a_product_is_offered_to_a_member_of_its_team() -> None:
    story.given(created).when(offer()).then(offered)
    story.given(created, offered).when(offer()).then_nothing()
    story.given(created).when(offer(ADA)).then_nothing()
    story.given(created).when(offer(is_member=False)).then_refused(
        NewOwnerUnrelated, "Only a member of the team can become the owner. Invite them first."
    )


def test_who_accepts_is_the_owner_and_only_once() -> None:
    story.given(created, offered).when(accept()).then(to_grace)
    story.given(created, offered, to_grace).when(accept()).then_nothing()


def test_nobody_accepts_what_they_were_not_offered() -> None:
    story.given(created).when(accept()).then_refused(ProductNotOffered)
    story.given(created, offered).when(accept(JOAN)).then_refused(ProductNotOffered)
    for ended in (withdrawn, declined):
        story.given(created, offered, ended).when(accept()).then_refused(ProductNotOffered)


def test_who_has_left_the_team_meanwhile_does_not_become_the_owner() -> None:
    story.given(created, offered).when(accept(is_member=False)).then_refused(NewOwnerUnrelated)


def test_an_offer_is_declined_or_withdrawn_once() -> None:
    story.given(created, offered).when(decline).then(declined)
    story.given(created, offered, declined).when(decline).then_nothing()
    story.given(created).when(decline).then_refused(ProductNotOffered)
    story.given(created, offered).when(withdraw).then(withdrawn)
    story.given(created).when(withdraw).then_nothing()


def test_a_product_goes_to_an_organization_at_once_and_offers_end_with_it() -> None:
    story.given(created, offered).when(give_to_lamps).then(to_lamps)
    story.given(created, offered, to_lamps).when(give_to_lamps).then_nothing()
    story.given(created, offered, to_lamps).when(accept()).then_refused(ProductNotOffered)


@pytest.mark.parametrize("command", [offer(), withdraw, decline, accept(), give_to_lamps])
def test_what_is_retired_or_never_was_changes_no_hands(command: ProductCommand) -> None:
    story.given().when(command).then_refused(ProductUnknown)
    retired = ProductRetired(product_id=7000)
    story.given(created, offered, retired).when(command).then_refused(ProductUnknown)
