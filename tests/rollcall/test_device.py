"""What `rollcall device run` is told that its device has."""

import argparse

import pytest

from rollcall.device import add_arguments, offer
from rollcall.reference_answers import Offer
from rollcall.trouble import Trouble


def offered(*words: str) -> Offer:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return offer(parser.parse_args(["run", "0" * 24, *words]))


def test_functions_return_what_they_are_told_to() -> None:
    ours = offered("--function", "check=200", "--function", "blink", "--function", "minus=-1")
    returned = [
        ours.answer("call", {"function": name, "arg": "x"}) for name in ("check", "blink", "minus")
    ]
    assert returned == [{"value": 200}, {"value": 0}, {"value": -1}]
    assert ours.answer("call", {"function": "other", "arg": ""}) == {"error": "unknown"}


def test_variables_have_the_type_that_their_value_looks_like() -> None:
    words = [f"--variable={one}" for one in ("a=stroby", "b=42", "c=0.5", "d=false", "e=", "f={}")]
    described = offered(*words, "--serial-number", "S1").described()
    assert described == {
        "functions": [],
        "variables": {
            "a": "string",
            "b": "int32",
            "c": "double",
            "d": "bool",
            "e": "string",
            "f": "string",
        },
        "serial_number": "S1",
    }
    assert offered(*words).answer("read", {"variable": "b"}) == {"value": 42}
    assert offered(*words).answer("read", {"variable": "z"}) == {"error": "unknown"}


def test_a_device_that_has_nothing_does_not_speak_of_it() -> None:
    assert offered().described() == {}


def test_what_it_subscribes_to_is_said_with_the_rest() -> None:
    described = offered("--subscribe", "weather/", "--subscribe=hook-").described()
    assert described == {
        "functions": [],
        "variables": {},
        "subscriptions": ["weather/", "hook-"],
    }


def test_a_function_returns_a_whole_number_or_is_refused() -> None:
    with pytest.raises(Trouble, match="whole number"):
        offered("--function", "check=many")
