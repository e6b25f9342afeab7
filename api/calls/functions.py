"""Functions of devices, called over their session; and the words that no function is called by."""

import logging
from typing import Annotated

from msgspec import Meta, Struct
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.body import TEXT
from api.call import Call
from api.calls.asked import Asked, ThingUnknown, answer_about, device_asked
from api.fleet.device_problems import AnswerUnreadable, BrokenOff, FunctionUnknown
from api.problem import FieldInvalid, Problem

log = logging.getLogger("rollcall.api")

ARGUMENT_BYTES_MAX = 1024
INT32 = range(-(2**31), 2**31)
RAW = "raw"
# They stand for something else below a device, now or in the Particle API.
RESERVED = frozenset(
    {
        "backup_files", "docs", "events", "history", "network", "owner", "ping", "retry",
        "target_profile", "unprotect", "why",
    }
)  # fmt: skip

Argument = Annotated[str, Meta(max_length=ARGUMENT_BYTES_MAX)]
Format = Annotated[str, Meta(max_length=16)]


class FormatWanted(Struct, frozen=True):
    """`format=raw` asks for the bare value."""

    format: Format = ""


class FunctionCall(Struct, frozen=True):
    """The argument, by any of the names that clients have for it."""

    arg: Argument | None = None
    args: Argument | None = None
    params: Argument | None = None
    format: Format = ""

    @property
    def argument(self) -> str:
        """Raises FieldInvalid."""
        argument = self.arg or self.args or self.params or ""
        size = len(argument.encode())
        if size > ARGUMENT_BYTES_MAX:
            raise FieldInvalid(field="arg", reason=f"{size} bytes; {ARGUMENT_BYTES_MAX} the limit")
        return argument


class Called(Struct, frozen=True):
    """`name` is the device's."""

    id: str
    name: str | None
    connected: bool
    return_value: int


async def call_function(
    call: Call, query: FormatWanted, body: FunctionCall
) -> Annotated[Called | Response, Called, TEXT]:
    """Call a function of a device that is online; answered with what it returns."""
    function = thing_named(call)
    argument = body.argument
    asked = await device_asked(call)
    if call.broke_off:
        raise BrokenOff  # it may have been called already
    try:
        returned = await value_of(call, asked, function, argument)
    except Problem as problem:
        told(call, asked, function, type(problem).__name__)
        raise
    told(call, asked, function, f"returned {returned}")
    if RAW in (query.format, body.format):
        return Response(str(returned), media_type=TEXT)
    return Called(asked.device_id, asked.name or None, True, returned)


async def value_of(call: Call, asked: Asked, function: str, argument: str) -> int:
    described = function in (asked.functions or ())
    question = {"function": function, "arg": argument}
    try:
        answer = await answer_about(call, asked, "call", function, question, described=described)
    except ThingUnknown:
        raise FunctionUnknown(function=function) from None
    value = answer.value
    if type(value) is not int or value not in INT32:
        raise AnswerUnreadable(reason="what a function returns is a whole number of 32 bits.")
    return value


def told(call: Call, asked: Asked, function: str, outcome: str) -> None:
    """Who opened the lock: in the log of the process, not among the events. The argument may be
    nobody's business."""
    log.info(
        "request %s: %s called %s of device %s: %s",
        *(call.request_id, call.caller.actor, function, asked.device_id, outcome),
    )


def thing_named(call: Call) -> str:
    """The function or variable that the path names. Raises HTTPException for a reserved word."""
    name = call.part("name")
    if name in RESERVED:
        raise HTTPException(404)
    return name
