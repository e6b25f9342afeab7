"""The life of a product, as given/when/then."""

import pytest

from domain.names import PLATFORMS, PRODUCT_ID_MIN
from domain.product import (
    EVENT_DAYS_MAX,
    FAILED_ATTEMPTS_DEFAULT,
    FAILED_ATTEMPTS_MAX,
    PRODUCT,
    ActivationCodesRequired,
    ActivationCodesWaived,
    AllowAutoApproval,
    AutoApprovalAllowed,
    AutoApprovalForbidden,
    ChangeEventRetention,
    CreateProduct,
    DescribeProduct,
    EventRetentionChanged,
    EventRetentionOutOfRange,
    FailedAttemptsLimited,
    FailedAttemptsOutOfRange,
    ForbidAutoApproval,
    LimitFailedAttempts,
    PlatformUnknown,
    ProductCommand,
    ProductCreated,
    ProductDescribed,
    ProductHasDevices,
    ProductIdReserved,
    ProductIdTaken,
    ProductRenamed,
    ProductRetired,
    ProductUnknown,
    RenameProduct,
    RequireActivationCodes,
    RetireProduct,
    WaiveActivationCodes,
)
from tests.given import Story

ID = 7000
story = Story(PRODUCT)
create = CreateProduct(
    product_id=ID, platform_id=6, name="Lamp", slug="lamp-v1", description="It glows", owner="ada"
)
created = ProductCreated(
    product_id=ID, platform_id=6, name="Lamp", slug="lamp-v1", description="It glows", owner="ada"
)
retired = ProductRetired(product_id=ID)
ON_AN_EXISTING_ONE: list[ProductCommand] = [
    RenameProduct(product_id=ID, name="Bulb"),
    DescribeProduct(product_id=ID, description="It shines"),
    AllowAutoApproval(product_id=ID),
    ForbidAutoApproval(product_id=ID),
    LimitFailedAttempts(product_id=ID, attempts_max=5),
    RetireProduct(product_id=ID, devices=0),
]


def test_a_product_is_created_with_all_that_was_said_of_it() -> None:
    story.given().when(create).then(created)


def test_the_id_of_a_product_is_taken_for_ever() -> None:
    story.given(created).when(create).then_refused(ProductIdTaken, "Product id 7000 is taken.")
    story.given(created, retired).when(create).then_refused(ProductIdTaken)


@pytest.mark.parametrize("product_id", [1, *PLATFORMS, PRODUCT_ID_MIN - 1])
def test_an_id_that_names_a_platform_is_no_product_id(product_id: int) -> None:
    command = CreateProduct(product_id=product_id, platform_id=6, name="Lamp", slug="lamp-v1")
    story.given().when(command).then_refused(
        ProductIdReserved,
        f"Product id {product_id} is not above 103: the ids up to there name platforms.",
    )


def test_the_first_id_above_the_platforms_is_a_product_id() -> None:
    command = CreateProduct(product_id=104, platform_id=6, name="Lamp", slug="lamp-v1")
    story.given().when(command).then(
        ProductCreated(product_id=104, platform_id=6, name="Lamp", slug="lamp-v1")
    )


def test_a_product_is_of_a_known_device_type() -> None:
    command = CreateProduct(product_id=ID, platform_id=7, name="Lamp", slug="lamp-v1")
    story.given().when(command).then_refused(
        PlatformUnknown, "platform_id 7 is not a known device type."
    )


@pytest.mark.parametrize("command", ON_AN_EXISTING_ONE, ids=lambda command: type(command).__name__)
def test_nothing_can_be_done_to_a_product_that_never_was_or_is_retired(
    command: ProductCommand,
) -> None:
    story.given().when(command).then_refused(ProductUnknown, "Product not found.")
    if not isinstance(command, RetireProduct):
        story.given(created, retired).when(command).then_refused(ProductUnknown)


def test_retiring_is_said_once() -> None:
    story.given(created, retired).when(RetireProduct(product_id=ID, devices=0)).then_nothing()


def test_a_product_is_renamed() -> None:
    rename = RenameProduct(product_id=ID, name="Bulb")
    renamed = ProductRenamed(product_id=ID, name="Bulb")
    story.given(created).when(rename).then(renamed)
    story.given(created, renamed).when(rename).then_nothing()


def test_the_name_a_product_has_already_changes_nothing() -> None:
    story.given(created).when(RenameProduct(product_id=ID, name="Lamp")).then_nothing()


def test_a_product_is_described() -> None:
    describe = DescribeProduct(product_id=ID, description="It shines")
    described = ProductDescribed(product_id=ID, description="It shines")
    story.given(created).when(describe).then(described)
    story.given(created, described).when(describe).then_nothing()


def test_the_description_a_product_has_already_changes_nothing() -> None:
    story.given(created).when(DescribeProduct(product_id=ID, description="It glows")).then_nothing()


def test_automatic_approval_is_off_until_allowed() -> None:
    story.given(created).when(ForbidAutoApproval(product_id=ID)).then_nothing()


def test_automatic_approval_is_allowed_and_forbidden_once_each() -> None:
    allowed, forbidden = AutoApprovalAllowed(product_id=ID), AutoApprovalForbidden(product_id=ID)
    story.given(created).when(AllowAutoApproval(product_id=ID)).then(allowed)
    story.given(created, allowed).when(AllowAutoApproval(product_id=ID)).then_nothing()
    story.given(created, allowed).when(ForbidAutoApproval(product_id=ID)).then(forbidden)
    story.given(created, allowed, forbidden).when(ForbidAutoApproval(product_id=ID)).then_nothing()


@pytest.mark.parametrize("attempts_max", [1, FAILED_ATTEMPTS_MAX])
def test_failed_attempts_are_limited_within_bounds(attempts_max: int) -> None:
    limit = LimitFailedAttempts(product_id=ID, attempts_max=attempts_max)
    limited = FailedAttemptsLimited(product_id=ID, attempts_max=attempts_max)
    story.given(created).when(limit).then(limited)
    story.given(created, limited).when(limit).then_nothing()


def test_the_limit_that_every_product_has_at_first_changes_nothing() -> None:
    limit = LimitFailedAttempts(product_id=ID, attempts_max=FAILED_ATTEMPTS_DEFAULT)
    story.given(created).when(limit).then_nothing()


@pytest.mark.parametrize("attempts_max", [-1, 0, 101])
def test_failed_attempts_beyond_the_bounds_are_refused(attempts_max: int) -> None:
    command = LimitFailedAttempts(product_id=ID, attempts_max=attempts_max)
    story.given(created).when(command).then_refused(
        FailedAttemptsOutOfRange, f"failed_attempts_max is {attempts_max}, must be from 1 to 100."
    )


@pytest.mark.parametrize("days", [1, EVENT_DAYS_MAX])
def test_how_long_device_events_are_kept_is_said_and_taken_back(days: int) -> None:
    change = ChangeEventRetention(product_id=ID, days=days)
    as_others = ChangeEventRetention(product_id=ID, days=None)
    changed = EventRetentionChanged(product_id=ID, days=days)
    story.given(created).when(as_others).then_nothing()
    story.given(created).when(change).then(changed)
    story.given(created, changed).when(change).then_nothing()
    taken_back = EventRetentionChanged(product_id=ID, days=None)
    story.given(created, changed).when(as_others).then(taken_back)


@pytest.mark.parametrize("days", [-1, 0, 367])
def test_device_events_are_kept_for_a_day_to_a_year(days: int) -> None:
    story.given(created).when(ChangeEventRetention(product_id=ID, days=days)).then_refused(
        EventRetentionOutOfRange, f"device_event_days is {days}, must be from 1 to 366."
    )


def test_an_empty_product_is_retired() -> None:
    story.given(created).when(RetireProduct(product_id=ID, devices=0)).then(retired)


def test_a_product_with_devices_is_not_retired() -> None:
    story.given(created).when(RetireProduct(product_id=ID, devices=3)).then_refused(
        ProductHasDevices, "The product still has 3 devices: remove them first."
    )


def test_a_private_beta_begins_and_ends() -> None:
    require, waive = RequireActivationCodes(product_id=ID), WaiveActivationCodes(product_id=ID)
    required, waived = ActivationCodesRequired(product_id=ID), ActivationCodesWaived(product_id=ID)
    story.given(created).when(waive).then_nothing()
    story.given(created).when(require).then(required)
    story.given(created, required).when(require).then_nothing()
    story.given(created, required).when(waive).then(waived)
    story.given(created, required, waived).when(waive).then_nothing()
