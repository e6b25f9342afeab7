"""Claiming: a device that is online by its id, any device by a code that it shows, or a new one."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated

from msgspec import Meta, Struct

from api.call import Call
from api.database import Snapshot
from api.fleet.devices import IS_DEVICE_ID
from api.fleet.transfers import request_transfer
from api.people.activation_codes import must_be_invited
from api.problem import DeviceUnheardOf, FieldInvalid, NobodyToOwnIt, PermissionDenied
from api.views import stamp
from domain.claim_code import CODE_BYTES, CODE_VALID_S, IssueClaimCode, hash_of
from domain.device_commands import ImportDevice
from domain.model import Command
from domain.names import PRODUCT_ID_MAX
from domain.ownership import ClaimDevice, DeviceOfSomebodyElse
from domain.product import ProductRetired
from domain.roles import ORGANIZATION_PREFIX, AtDevice, InProduct, allows, scopes_on

OWNED_SAID_MAX = 5_000
ID_CHARACTERS_MAX = 64
DEVICE_ID_CHARACTERS = 24
ACTIVATION_CHARACTERS_MAX = 64  # whatever was typed

ONLINE = "SELECT online FROM fleet.device WHERE device_id = %s"
IN_USE = "SELECT count(*) FROM fleet.product WHERE product_id = %s AND NOT retired"
OWNED = """
    SELECT ARRAY (SELECT device_id FROM fleet.device WHERE owner = %s ORDER BY device_id LIMIT %s)
"""


class Claim(Struct, frozen=True):
    """A device by `id`; with `request_transfer`, whoever has it is asked for it. Or a `product_id`:
    a new device of that product is made up."""

    id: Annotated[str, Meta(max_length=ID_CHARACTERS_MAX)] = ""
    request_transfer: bool = False
    product_id: Annotated[int, Meta(ge=1, le=PRODUCT_ID_MAX)] | None = None


class Claimed(Struct, frozen=True, omit_defaults=True):
    """The device, under each name that clients read it by; or the transfer that was requested."""

    ok: bool
    user_id: str
    id: str
    deviceID: str
    device_id: str
    claimed: bool
    connected: bool | None = None
    transfer_id: str = ""
    product_id: int | None = None


class ClaimCodeWanted(Struct, frozen=True):
    """Nothing is needed but, by a customer in a private beta, an `activation_code`. What clients
    send of a SIM card says nothing of the device."""

    activation_code: Annotated[str, Meta(max_length=ACTIVATION_CHARACTERS_MAX)] = ""


class ClaimCode(Struct, frozen=True):
    """The code, good for an hour and for one device, and the devices that the caller has now."""

    ok: bool
    claim_code: str
    device_ids: list[str]
    expires_at: str


async def claim_device(call: Call, body: Claim) -> Claimed:
    """Claim a device that is online, ask for one that is somebody's, or have a new one made up."""
    user_id = claimant(call)
    if not body.id and body.product_id is not None:
        return await provision(call, body.product_id)
    if not body.id:
        raise FieldInvalid(field="id", reason="is missing")
    device_id = body.id.strip().lower()
    place = None
    if IS_DEVICE_ID.fullmatch(device_id):
        place = await call.cloud.places.device(device_id, "")
    if place is None:
        raise DeviceUnheardOf
    async with call.snapshot() as snapshot:
        online = bool(await snapshot.value(ONLINE, [device_id]))
    if body.request_transfer and place.owner not in ("", user_id):
        transfer_id = await request_transfer(call, device_id)
        if transfer_id:
            return claimed(device_id, user_id, online, transfer_id=transfer_id)
    must_be_claimable(call, place)
    reachable = online or call.cloud.claim_offline
    of = call.caller.product_id if call.caller.grants.customer_id else None
    claim = ClaimDevice(device_id=device_id, user_id=user_id, reachable=reachable, product_id=of)
    await call.carry_out(claim)
    return claimed(device_id, user_id, online)


def claimant(call: Call) -> str:
    """The user or customer who calls. Raises NobodyToOwnIt for a program that is none."""
    if not call.caller.holder:
        raise NobodyToOwnIt
    return call.caller.holder


def claimed(
    device_id: str,
    user_id: str,
    online: bool | None,
    *,
    transfer_id: str = "",
    product_id: int | None = None,
) -> Claimed:
    return Claimed(
        ok=True,
        user_id=user_id,
        id=device_id,
        deviceID=device_id,
        device_id=device_id,
        claimed=not transfer_id,
        connected=online,
        transfer_id=transfer_id,
        product_id=product_id,
    )


def must_be_claimable(call: Call, device: AtDevice) -> None:
    """Ids are no secret: a device that a product took in is claimed by its id by the team alone.

    Everybody else has it show a claim code, customers always. Raises DeviceOfSomebodyElse.
    """
    if device.owner == call.caller.holder:
        return
    if call.caller.grants.customer_id:
        raise DeviceOfSomebodyElse
    if device.product is None:
        return
    if not allows(scopes_on(call.caller.grants, device.product), "devices:claim"):
        raise DeviceOfSomebodyElse


async def provision(call: Call, product_id: int) -> Claimed:
    """A device of the product with an id of our own, which is the caller's. Raises
    PermissionDenied."""
    product = await call.cloud.places.product(str(product_id))
    if product is None or not may_import(call, product):
        raise PermissionDenied
    user_id = call.caller.user_id
    # Made of the call, so that the same call sent again is about the same device.
    device_id = sha256(f"device {call.command}".encode()).hexdigest()[:DEVICE_ID_CHARACTERS]

    async def look(snapshot: Snapshot) -> Sequence[Command]:
        if not await snapshot.value(IN_USE, [product_id]):
            raise PermissionDenied
        return [
            ImportDevice(device_id=device_id, product_id=product_id),
            ClaimDevice(device_id=device_id, user_id=user_id, reachable=True),
        ]

    await call.decide(product_id, (ProductRetired,), look)
    return claimed(device_id, user_id, False, product_id=product_id)


def may_import(call: Call, product: InProduct) -> bool:
    return allows(scopes_on(call.caller.grants, product), "devices:import")


async def create_claim_code(call: Call, body: ClaimCodeWanted) -> ClaimCode:
    """A code that a device shows to be the caller's: good for an hour, for one device, once."""
    code = secrets.token_urlsafe(CODE_BYTES)
    user_id = claimant(call)
    product_id = call.place.product_id if isinstance(call.place, InProduct) else None
    if call.caller.grants.customer_id:
        product_id = call.caller.product_id
        assert product_id is not None
        await must_be_invited(call, product_id, body.activation_code)
    expires_at = stamp(datetime.now(UTC) + timedelta(seconds=CODE_VALID_S))
    issue = IssueClaimCode(
        code_hash=hash_of(code), user_id=user_id, product_id=product_id, expires_at=expires_at
    )
    await call.carry_out(issue)
    async with call.cloud.database.reading() as rows:
        owned = await rows.value(OWNED, [user_id, OWNED_SAID_MAX])
    return ClaimCode(True, code, owned, expires_at)


async def create_claim_code_by_organization(call: Call, body: ClaimCodeWanted) -> ClaimCode:
    """The same, by the address that a product has below its organization."""
    organization = await call.cloud.places.organization(call.part("org"))
    assert isinstance(call.place, InProduct)
    named = organization.organization_id if organization else ""
    if call.place.owner != f"{ORGANIZATION_PREFIX}{named}":
        raise PermissionDenied
    return await create_claim_code(call, body)
