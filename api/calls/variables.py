"""Variables of devices, read over their session."""

from typing import Annotated

import msgspec
from msgspec import Struct
from starlette.responses import Response

from api.body import TEXT
from api.call import Call
from api.calls.asked import Asked, ThingUnknown, answer_about, device_asked
from api.calls.functions import RAW, FormatWanted, thing_named
from api.fleet.device_problems import AnswerUnreadable, VariableUnknown
from api.views import stamp_or_none
from domain.description import VariableType

Value = int | float | str | bool

KINDS: dict[VariableType, tuple[type[Value], ...]] = {
    VariableType.INT32: (int,),
    VariableType.DOUBLE: (float, int),
    VariableType.STRING: (str,),
    VariableType.BOOL: (bool,),
}


class CoreInfo(Struct, frozen=True):
    """The device that was asked."""

    name: str | None
    deviceID: str
    connected: bool
    last_handshake_at: str | None
    last_app: str
    product_id: int | None


class Read(Struct, frozen=True):
    name: str
    result: Value
    coreInfo: CoreInfo


async def read_variable(call: Call, query: FormatWanted) -> Annotated[Read | Response, Read, TEXT]:
    """What a variable of a device that is online holds now."""
    name = thing_named(call)
    asked = await device_asked(call)
    result = await value_of(call, asked, name)
    if query.format == RAW:
        return Response(bare(result), media_type=TEXT)
    return Read(name, result, core_info(asked))


async def value_of(call: Call, asked: Asked, name: str) -> Value:
    """A value of the type that the device said the variable has, if it said so before."""
    kind = (asked.variables or {}).get(name)
    question = {"variable": name}
    try:
        answer = await answer_about(call, asked, "read", name, question, described=kind is not None)
    except ThingUnknown:
        raise VariableUnknown(variable=name) from None
    value = answer.value
    if not isinstance(value, Value) or (kind and type(value) not in KINDS[VariableType(kind)]):
        raise AnswerUnreadable(reason=f"{name} holds no {kind or 'value'}.")
    return value


def bare(value: Value) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def core_info(asked: Asked) -> CoreInfo:
    return CoreInfo(
        name=asked.name or None,
        deviceID=asked.device_id,
        connected=True,
        last_handshake_at=stamp_or_none(asked.last_handshake_at),
        last_app="",
        product_id=asked.product_id,
    )
