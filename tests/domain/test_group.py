"""The life of a group, as given/when/then."""

import pytest

from domain.group import (
    GROUP,
    CreateGroup,
    DescribeGroup,
    GroupCommand,
    GroupCreated,
    GroupDescribed,
    GroupNameTaken,
    GroupRemoved,
    GroupRenamed,
    GroupUnknown,
    RemoveGroup,
    RenameGroup,
    TooManyGroups,
    key_for,
)
from domain.names import GROUPS_PER_PRODUCT_MAX
from tests.given import Story

story = Story(GROUP)
create = CreateGroup(
    product_id=7000, group="beta", name="beta", color="ff0000", description="The brave"
)
created = GroupCreated(
    product_id=7000, group="beta", name="beta", color="ff0000", description="The brave"
)
renamed = GroupRenamed(product_id=7000, group="beta", name="testers")
removed = GroupRemoved(product_id=7000, group="beta")
remove = RemoveGroup(product_id=7000, group="beta")


def rename(name: str, *names_taken: str) -> RenameGroup:
    return RenameGroup(product_id=7000, group="beta", name=name, names_taken=frozenset(names_taken))


def describe(color: str | None = None, description: str | None = None) -> DescribeGroup:
    return DescribeGroup(product_id=7000, group="beta", color=color, description=description)


def described(color: str, description: str) -> GroupDescribed:
    return GroupDescribed(product_id=7000, group="beta", color=color, description=description)


def test_a_group_is_created_with_all_that_was_said_of_it() -> None:
    story.given().when(create).then(created)


def test_two_groups_of_a_product_never_share_a_name() -> None:
    taken = CreateGroup(
        product_id=7000, group="beta~2", name="beta", names_taken=frozenset({"beta"})
    )
    story.given().when(taken).then_refused(GroupNameTaken, "A group named beta exists already.")


def test_the_key_of_a_group_is_used_once() -> None:
    story.given(created).when(create).then_refused(GroupNameTaken)
    story.given(created, removed).when(create).then_refused(GroupNameTaken)


def test_a_product_has_a_bounded_number_of_groups() -> None:
    names = frozenset(f"group-{number}" for number in range(GROUPS_PER_PRODUCT_MAX))
    one_more = CreateGroup(product_id=7000, group="beta", name="beta", names_taken=names)
    story.given().when(one_more).then_refused(
        TooManyGroups, "The product has 1000 groups, which is the limit."
    )


def test_the_last_group_below_the_limit_is_created() -> None:
    names = frozenset(f"group-{number}" for number in range(GROUPS_PER_PRODUCT_MAX - 1))
    last = CreateGroup(product_id=7000, group="beta", name="beta", names_taken=names)
    story.given().when(last).then(GroupCreated(product_id=7000, group="beta", name="beta"))


@pytest.mark.parametrize("command", [rename("x"), describe("00ff00")], ids=["rename", "describe"])
def test_nothing_can_be_done_to_a_group_that_never_was_or_is_gone(command: GroupCommand) -> None:
    story.given().when(command).then_refused(GroupUnknown, "Group not found.")
    story.given(created, removed).when(command).then_refused(GroupUnknown)


def test_removing_is_said_once_and_of_something() -> None:
    story.given().when(remove).then_refused(GroupUnknown)
    story.given(created, removed).when(remove).then_nothing()


def test_a_renamed_group_keeps_its_key() -> None:
    story.given(created).when(rename("testers", "beta", "other")).then(renamed)


def test_the_name_a_group_has_already_changes_nothing() -> None:
    story.given(created).when(rename("beta", "beta")).then_nothing()
    story.given(created, renamed).when(rename("testers", "testers")).then_nothing()


def test_a_group_is_not_renamed_to_the_name_of_another() -> None:
    story.given(created).when(rename("other", "beta", "other")).then_refused(
        GroupNameTaken, "A group named other exists already."
    )


def test_a_group_is_described_in_part_or_whole() -> None:
    story.given(created).when(describe(color="00ff00")).then(described("00ff00", "The brave"))
    story.given(created).when(describe(description="")).then(described("ff0000", ""))
    story.given(created).when(describe("00ff00", "Calm")).then(described("00ff00", "Calm"))


def test_the_description_a_group_has_already_changes_nothing() -> None:
    story.given(created).when(describe()).then_nothing()
    story.given(created).when(describe("ff0000", "The brave")).then_nothing()
    after = described("00ff00", "Calm")
    story.given(created, after).when(describe("00ff00", "Calm")).then_nothing()


def test_a_group_is_removed() -> None:
    story.given(created).when(remove).then(removed)


def test_the_key_of_a_new_group_is_its_name() -> None:
    assert key_for("beta", frozenset({"alpha"})) == "beta"


def test_a_group_named_like_a_dead_one_gets_another_key() -> None:
    assert key_for("beta", frozenset({"beta"})) == "beta~2"
    assert key_for("beta", frozenset({"beta", "beta~2"})) == "beta~3"
