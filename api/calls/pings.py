"""Asking a device whether it is there, and having it blink so that it is found."""

from collections.abc import Collection
from contextlib import suppress
from typing import Literal

from msgspec import Struct

from api.call import Call
from api.calls.asked import ThingUnknown, answer_of, device_asked
from api.fleet.device_problems import AnswerUnreadable, DeviceFailed, DeviceGone, DeviceSilent
from api.problem import FieldInvalid

PING_TIMEOUT_S = 5.0

# Documented as a number; clients send text.
Signal = Literal[0, 1, "0", "1"]


class Pinged(Struct, frozen=True):
    online: bool
    ok: bool = True


async def ping(call: Call) -> Pinged:
    """Whether the device answers now."""
    asked = await device_asked(call)
    with suppress(ThingUnknown, DeviceFailed, AnswerUnreadable):  # whatever it said: it is there
        try:
            await answer_of(call, asked, "ping", timeout_s=PING_TIMEOUT_S)
        except (DeviceGone, DeviceSilent):
            return Pinged(False)
    return Pinged(True)


async def signal(call: Call, wanted: Signal, changed: Collection[str]) -> bool:
    """Have the device that the path names start blinking, or stop; returns which of the two.

    `changed` are the fields that were sent: nothing else is done with a signal.
    Raises FieldInvalid, and as answer_of does.
    """
    if len(changed) > 1:
        raise FieldInvalid(field="signal", reason="is sent alone")
    on = str(wanted) == "1"
    asked = await device_asked(call)
    with suppress(ThingUnknown):  # it has nothing to blink with
        await answer_of(call, asked, "signal", {"on": on}, PING_TIMEOUT_S)
    return on
