"""Replies are of the types that particle-api-js declares: what a typed program relies on."""

from typing import Any

import pyotp
import pytest

from rollcall.reference_answers import Offer, returning
from rollcall.sample_firmware import build
from tests.clients.field import PLATFORM, Field
from tests.clients.particle_js import ParticleJs
from tests.clients.people import PASSWORD, People
from tests.clients.promised import broken

PROMISES = (
    *("LoginResponse", "MfaRequiredResponse", "CurrentTokenInfo", "UserInfo", "OAuthClientInfo"),
    *("ClaimResponse", "DeviceInfo", "DeviceListResponse"),
    *("FunctionCallResponse", "DeviceVariableResponse"),
    *("ProductInfo", "ProductFirmwareInfo", "TeamMember"),
)


@pytest.fixture(scope="module")
def replies(library: ParticleJs, people: People, devices: Field) -> dict[str, Any]:
    """One reply of each type."""
    maker = people.sign_up()
    js, product = maker.js, maker.create_product()
    offer = Offer(functions={"check": returning(1)}, variables={"version": 42})
    device = devices.connect(offer=offer)
    of = {"deviceId": device.device_id}
    claimed = js.call("claimDevice", **of)
    js.call("renameDevice", **of, name="lamp")
    called = js.call("callFunction", **of, name="check")
    read = js.call("getVariable", **of, name="version")
    firmware = {"file": build(product["id"], 1, PLATFORM), "version": 1, "title": "first"}
    js.call("uploadProductFirmware", product=product["id"], **firmware)
    client = js.call("createOAuthClient", name="app", type="installed")["client"]
    js.call("addDeviceToProduct", product=product["id"], **of)

    offered = js.call("enableMfa")
    return {
        "LoginResponse": library.call("login", username=maker.email, password=PASSWORD),
        "CurrentTokenInfo": js.call("get", uri="/v1/access_tokens/current"),
        "UserInfo": js.call("getUserInfo"),
        "OAuthClientInfo": client,
        "ClaimResponse": claimed,
        "DeviceInfo": js.call("getDevice", product=product["id"], **of),
        "DeviceListResponse": js.call("listDevices", product=product["id"]),
        "FunctionCallResponse": called,
        "DeviceVariableResponse": read,
        "ProductInfo": js.call("getProduct", product=product["id"])["product"],
        "ProductFirmwareInfo": js.call("listProductFirmware", product=product["id"])[0],
        "TeamMember": js.call("listTeamMembers", product=product["id"])["team"][0],
        "MfaRequiredResponse": half_logged_in(library, js, maker.email, offered),
    }


def half_logged_in(library: ParticleJs, js: ParticleJs, email: str, offered: dict[str, Any]) -> Any:
    otp = pyotp.TOTP(offered["secret"]).now()
    js.call("confirmMfa", mfaToken=offered["mfa_token"], otp=otp)
    return library.refused("login", username=email, password=PASSWORD).body


@pytest.mark.parametrize("interface", PROMISES)
def test_a_reply_is_of_the_type_that_is_declared(interface: str, replies: dict[str, Any]) -> None:
    assert broken(interface, replies[interface]) == []
