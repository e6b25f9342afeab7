"""What a meter is allowed in a billing period: the administrators say it, until plans do."""

import asyncio
from re import compile as regex
from time import monotonic

from msgspec import Struct

from api.call import Call
from api.problem import NotFound
from domain.allowance import Limit, SetAllowance
from domain.meter_names import METER_PATTERN, product_of, user_of

WAIT_S = 2.0
LOOK_S = 0.02

IS_METER = regex(METER_PATTERN)
LIMIT = "SELECT limit_messages FROM metered.allowance WHERE meter = %s"
FOLLOWED_TO = "SELECT max(notification_id) FROM metered.tracking"
KNOWN = """
    SELECT EXISTS (SELECT FROM fleet.product WHERE product_id = %s)
        OR EXISTS (SELECT FROM access.account WHERE user_id = %s AND NOT erased)
"""


class Allowance(Struct, frozen=True):
    """At most so many outbound messages in a billing period; null: as many as there are."""

    limit: Limit | None


class AllowanceObject(Struct, frozen=True):
    meter: str
    limit: int | None


async def get_allowance(call: Call) -> AllowanceObject:
    """What a meter, `product-<id>` or `user-<id>`, is allowed."""
    meter = await meter_in(call)
    async with call.cloud.database.reading() as rows:
        return AllowanceObject(meter, await rows.value(LIMIT, [meter]))


async def set_allowance(call: Call, body: Allowance) -> AllowanceObject:
    """Limit what a meter may count in each billing period, from now on."""
    meter = await meter_in(call)
    await call.carry_out(SetAllowance(meter=meter, limit=body.limit))
    await until_known(call)
    return AllowanceObject(meter, body.limit)


async def meter_in(call: Call) -> str:
    """Raises NotFound."""
    meter: str = call.request.path_params["meter"]
    if IS_METER.fullmatch(meter):
        async with call.cloud.database.reading() as rows:
            if await rows.value(KNOWN, [product_of(meter), user_of(meter)]):
                return meter
    raise NotFound(what="Meter")


async def until_known(call: Call) -> None:
    """Until what was said holds for what is sent from here on, or for as long as anybody waits."""
    until = monotonic() + WAIT_S
    while call.position is not None and monotonic() < until:
        async with call.cloud.database.reading() as rows:
            if (await rows.value(FOLLOWED_TO) or 0) >= call.position:
                return
        await asyncio.sleep(LOOK_S)
