"""What the reference device has, and what it answers to whoever asks for it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Value = int | float | str | bool
Function = Callable[[str], int]

REQUESTS = ("call", "read", "ping", "signal", "vitals")
VITALS = "spark/device/diagnostics/update"
TYPES: dict[type, str] = {int: "int32", float: "double", str: "string", bool: "bool"}


@dataclass
class Offer:
    """Functions by name, variables with what they hold, the device's numbers, and how the names of
    the device events begin that it wants to hear.

    A variable may change at any time, but keeps its type. `signaling` is whether it blinks now.
    """

    functions: dict[str, Function] = field(default_factory=dict)
    variables: dict[str, Value] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)  # serial_number, imei, iccid
    subscriptions: list[str] = field(default_factory=list)
    vitals: dict[str, Any] = field(default_factory=lambda: {"device": {"system": {"uptime": 1}}})
    signaling: bool = False

    def described(self) -> dict[str, Any]:
        """What a hello says of it; nothing, where there is nothing."""
        if not (self.functions or self.variables or self.numbers or self.subscriptions):
            return {}
        types = {name: TYPES[type(held)] for name, held in self.variables.items()}
        described = {"functions": [*self.functions], "variables": types, **self.numbers}
        return described | ({"subscriptions": self.subscriptions} if self.subscriptions else {})

    def answer(self, what: str, asked: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        match what:
            case "call" if asked["function"] in self.functions:
                return {"value": self.functions[asked["function"]](asked["arg"])}
            case "read" if asked["variable"] in self.variables:
                return {"value": self.variables[asked["variable"]]}
            case "signal":
                self.signaling = asked["on"]
                return {}
            case "ping" | "vitals":
                return {}
        return {"error": "unknown"}

    def vitals_event(self) -> dict[str, Any]:
        """What is published when somebody wants to know how the device is."""
        return {"name": VITALS, "data": json.dumps(self.vitals)}


def returning(value: int) -> Function:
    """A function that always returns the same."""
    return lambda argument: value


def value_of(text: str) -> Value:
    """What a text means as the value of a variable: a number, true or false, or the text itself."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if type(found) in TYPES else text
