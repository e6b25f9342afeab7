"""Which device bears a serial number, for whoever may see the device anyhow."""

from msgspec import Struct

from api.call import Call
from api.limits import SERIAL_NUMBERS
from api.problem import NotFound
from domain.description import NUMBER_CHARACTERS_MAX
from domain.roles import allows, scopes_on

SEEN_WITH = "devices:get"
BEARERS_MAX = 100

# What a device says is not proven: the one that was described last counts, of those one may see.
BEARERS = """
    SELECT device_id, platform_id, iccid
    FROM described.device JOIN fleet.device USING (device_id)
    WHERE serial_number = %s AND serial_number <> ''
    ORDER BY described_at DESC, device_id LIMIT %s
"""


class Bearer(Struct, frozen=True):
    device_id: str
    platform_id: int | None
    iccid: str


class SerialNumber(Struct, frozen=True):
    """Under both names that clients read the device by."""

    ok: bool
    deviceID: str
    device_id: str
    platform_id: int | None
    serial_number: str
    iccid: str | None


async def look_up_serial_number(call: Call) -> SerialNumber:
    """The device with a serial number, if it is the caller's own or in a product of theirs."""
    call.cloud.limits.spend(SERIAL_NUMBERS, call.caller.user_id or call.caller.token_id)
    serial_number = call.part("serial_number")
    bearers: list[Bearer] = []
    if len(serial_number) <= NUMBER_CHARACTERS_MAX:
        async with call.cloud.database.reading() as rows:
            bearers = await rows.all(Bearer, BEARERS, [serial_number, BEARERS_MAX])
    for bearer in bearers:
        place = await call.cloud.places.device(bearer.device_id, "")
        if place is not None and allows(scopes_on(call.caller.grants, place), SEEN_WITH):
            return SerialNumber(
                ok=True,
                deviceID=bearer.device_id,
                device_id=bearer.device_id,
                platform_id=bearer.platform_id,
                serial_number=serial_number,
                iccid=bearer.iccid or None,
            )
    raise NotFound(what="Serial number")
