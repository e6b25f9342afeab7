"""The device that a call asks something of: as far as it was described, and how to ask it."""

from datetime import datetime
from re import compile as regex
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from api.call import Call
from api.fleet.device_problems import AnswerUnreadable, DeviceFailed, DeviceGone, DeviceLeft
from api.fleet.devices import device_id_in
from api.problem import DeviceNotFound
from domain.description import CALL_NAME_PATTERN
from domain.device_events import Standing
from domain.device_refusals import DeviceNotApproved
from domain.roles import AtDevice, InProduct

REASON_CHARACTERS_MAX = 256  # of what a device says went wrong
UNKNOWN = "unknown"
NAME = regex(CALL_NAME_PATTERN)

ASKED = """
    SELECT device.device_id, device.name, device.product_id, cohort.standing,
           device.last_handshake_at, described.functions, described.variables
    FROM fleet.device AS device
    LEFT JOIN fleet.cohort AS cohort USING (cohort_id)
    LEFT JOIN described.device AS described USING (device_id)
    WHERE device.device_id = %s
"""


class Asked(Struct, frozen=True):
    """`functions` and `variables` are None where the device never said what it has."""

    device_id: str
    name: str
    product_id: int | None
    standing: str | None
    last_handshake_at: datetime | None
    functions: list[str] | None
    variables: dict[str, str] | None


class Answer(Struct, frozen=True):
    """What a device answers: a value, or the error that kept it from having one."""

    value: int | float | str | bool | UnsetType | None = UNSET
    error: str = ""


class ThingUnknown(Exception):
    """The device has nothing of that name, whatever it said before."""


decode_answer = msgspec.json.Decoder(Answer).decode


async def device_asked(call: Call) -> Asked:
    """The device that the path names, which the caller was admitted to.

    Raises DeviceNotFound; DeviceNotApproved for one that only asks to get into the product.
    """
    place = call.place
    device_id = place.device_id if isinstance(place, AtDevice) else device_id_in(call)
    async with call.cloud.database.reading() as rows:
        asked = await rows.one(Asked, ASKED, [device_id])
    if asked is None:
        raise DeviceNotFound
    if isinstance(place, InProduct):
        if asked.product_id != place.product_id:
            raise DeviceNotFound
        if asked.standing != Standing.MEMBER:
            raise DeviceNotApproved(standing=asked.standing)
    return asked


async def answer_about(
    call: Call,
    asked: Asked,
    what: str,
    name: str,
    question: dict[str, Any],
    *,
    described: bool,
) -> Answer:
    """What the device says about a function or variable; `described` is whether it said before that
    it has one of that name. What it has, it knows best itself: what is read here follows behind.

    Raises as answer_of does; ThingUnknown, too, where the device is not there to be asked.
    """
    if not described and not NAME.search(name):
        raise ThingUnknown
    try:
        return await answer_of(call, asked, what, question)
    except DeviceLeft:
        raise
    except DeviceGone:
        if described:
            raise
        raise ThingUnknown from None


async def answer_of(
    call: Call,
    asked: Asked,
    what: str,
    question: dict[str, Any] | None = None,
    timeout_s: float | None = None,
) -> Answer:
    """What the device says. Raises as Link.ask does, DeviceFailed with the device's own words, and
    ThingUnknown."""
    payload = await call.cloud.link.ask(asked.device_id, what, question or {}, timeout_s)
    try:
        answer = decode_answer(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise AnswerUnreadable(reason=f"{error}.") from None
    if answer.error == UNKNOWN:
        raise ThingUnknown
    if answer.error:
        raise DeviceFailed(reason=answer.error[:REASON_CHARACTERS_MAX])
    return answer
