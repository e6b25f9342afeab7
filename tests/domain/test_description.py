"""What a device says it has: on record when it changes, and only then."""

import msgspec
import pytest

from domain.description import (
    FUNCTIONS_MAX,
    VARIABLES_MAX,
    Description,
    DeviceDescribed,
    VariableType,
)
from domain.hello import Answer, Hello, Told
from domain.session import SESSION, DeviceHandshook, RecordDescription, SessionEnded
from tests.given import Story

ID = "e00fce681234567890abcdef"
TEN, ELEVEN = "2030-01-01T10:00:00Z", "2030-01-01T11:00:00Z"
LAMP = Description(functions=("blink",), variables={"count": VariableType.INT32})
BARE = Description()
story = Story(SESSION)


def says(has: Description, at: str = ELEVEN) -> RecordDescription:
    return RecordDescription(device_id=ID, at=at, has=has)


def described(has: Description, product_id: int | None = 7000, at: str = TEN) -> DeviceDescribed:
    return DeviceDescribed(device_id=ID, product_id=product_id, has=has, at=at)


def handshook(product_id: int = 7000) -> DeviceHandshook:
    return DeviceHandshook(
        device_id=ID,
        product_id=product_id,
        said=Hello(product_id=product_id),
        told=Answer(told=Told.NOTHING, product_id=product_id),
        based_on=1,
        running=None,
        at=TEN,
    )


def test_what_a_device_has_is_put_on_record_with_the_product_it_is_in() -> None:
    story.given(handshook()).when(says(LAMP)).then(described(LAMP, at=ELEVEN))
    story.given().when(says(LAMP)).then(described(LAMP, None, ELEVEN))


def test_a_device_that_says_the_same_again_leaves_no_trace() -> None:
    story.given(handshook(), described(LAMP)).when(says(LAMP)).then_nothing()
    ended = SessionEnded(device_id=ID, product_id=7000, reason="asleep", at=TEN)
    story.given(handshook(), described(LAMP), ended, handshook()).when(says(LAMP)).then_nothing()


def test_the_order_in_which_it_counts_up_its_variables_does_not_matter() -> None:
    two = {"a": VariableType.BOOL, "b": VariableType.DOUBLE}
    turned = dict(reversed(two.items()))
    story.given(described(Description(variables=two))).when(
        says(Description(variables=turned))
    ).then_nothing()


@pytest.mark.parametrize(
    "other",
    [
        BARE,
        Description(functions=("blink", "check"), variables=LAMP.variables),
        Description(functions=("blink",), variables={"count": VariableType.DOUBLE}),
        Description(functions=("blink",), variables=LAMP.variables, serial_number="S1"),
    ],
    ids=["nothing", "a function more", "another type", "a number"],
)
def test_a_change_is_put_on_record_and_so_is_changing_back(other: Description) -> None:
    story.given(described(LAMP)).when(says(other)).then(described(other, None, ELEVEN))
    story.given(described(LAMP), described(other)).when(says(LAMP)).then(
        described(LAMP, None, ELEVEN)
    )


def test_that_a_device_has_nothing_is_said_once() -> None:
    story.given(handshook()).when(says(BARE)).then(described(BARE, at=ELEVEN))
    story.given(described(BARE)).when(says(BARE)).then_nothing()


def test_another_product_changes_nothing_about_what_the_device_has() -> None:
    story.given(handshook(), described(LAMP), handshook(7001)).when(says(LAMP)).then_nothing()


@pytest.mark.parametrize(
    "said",
    [
        {"functions": [f"f{number}" for number in range(FUNCTIONS_MAX + 1)]},
        {"variables": {f"v{number}": "int32" for number in range(VARIABLES_MAX + 1)}},
        {"functions": [""]},
        {"functions": ["a/b"]},
        {"functions": ["a\n"]},
        {"functions": ["n" * 65]},
        {"variables": {"a": "float"}},
        {"variables": {"a/b": "int32"}},
        {"serial_number": "n" * 65},
        {"serial_number": "\0"},
    ],
)
def test_what_is_too_much_or_no_name_is_not_understood(said: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, Description)
