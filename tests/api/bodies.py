"""For every route that takes a body, one that it would take: what follows is not stopped by it."""

import secrets
from typing import Any

from tests.api.routes import BY_LINE

P = "/v1/products/{product}"
D = P + "/devices/{device}"
S = "/v1/devices/{device}"
PASSWORD = "correct horse battery"

# Of some, nothing is needed; a file is no field.
BODIES: dict[str, dict[str, Any]] = {
    f"PUT {P}": {"name": "renamed"},
    f"PUT {P}/devices": {"action": "groups", "devices": ["0" * 24], "metadata": {"add": ["beta"]}},
    f"PUT {D}": {"notes": "noted"},
    f"PUT {P}/groups/{{group}}": {"description": "described"},
    f"PUT {P}/firmware/release": {"version": 1, "product_default": True},
    f"PUT {P}/firmware/{{version}}": {"title": "titled"},
    f"PUT {S}": {"notes": "noted"},
    "POST /v1/devices/events": {"name": "said"},
    f"POST {P}/events": {"name": "said"},
    "POST /v1/orgs/{org}/events": {"name": "said"},
    "PUT /v1/meters/{meter}": {"limit": None},
    "PUT /v1/user": {"account_info": {"first_name": "Ann"}},
    "DELETE /v1/user": {"password": "wrong"},
    "POST /v1/user/mfa-enable": {"mfa_token": "f" * 40, "otp": "123456"},
    "PUT /v1/user/mfa-disable": {"current_password": "wrong"},
    "PUT /v1/clients/{client}": {"name": "renamed"},
    f"PUT {P}/clients/{{client}}": {"name": "renamed"},
    f"PUT {P}/customers/{{customer}}": {"password": PASSWORD},
    f"POST {P}/activation_codes": {"emails": ["nobody"]},
    "PUT /v1/orgs/{org}": {"name": "renamed"},
    "POST /v1/user/password-reset": {"username": "unheard-of@example.com"},
    "PUT /v1/user/password-reset": {"token": "f" * 40, "password": PASSWORD},
    "POST /oauth/token": {"grant_type": "password", "username": "unheard-of", "password": "no"},
    "POST /oauth/authorize": {
        "response_type": "code",
        "client_id": "unheard-of",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    },
}
# These make something new each time.
MAKING = {
    "POST /v1/user/products": lambda: {"name": f"made {secrets.token_hex(4)}", "platform_id": 6},
    "POST /v1/products": lambda: {"name": f"made {secrets.token_hex(4)}", "platform_id": 6},
    "POST /v1/orgs/{org}/products": lambda: {
        "name": f"made {secrets.token_hex(4)}",
        "platform_id": 6,
    },
    "POST /v1/orgs": lambda: {"name": f"made {secrets.token_hex(4)}"},
    f"POST {P}/devices": lambda: {"id": secrets.token_hex(12)},
    f"POST {P}/groups": lambda: {"name": f"made-{secrets.token_hex(4)}"},
    "POST /v1/devices": lambda: {"id": secrets.token_hex(12)},
    "POST /v1/clients": lambda: {"name": "made", "type": "installed"},
    f"POST {P}/clients": lambda: {"name": "made", "type": "installed"},
    "POST /v1/users": lambda: {
        "username": f"{secrets.token_hex(6)}@example.com",
        "password": PASSWORD,
    },
}
for place in (P, "/v1/orgs/{org}"):
    MAKING[f"POST {place}/customers"] = lambda: {
        "email": f"{secrets.token_hex(6)}@example.com",
        "password": PASSWORD,
    }
    BODIES[f"POST {place}/team"] = {"username": "unheard-of@example.com"}
    BODIES[f"PUT {place}/team/{{username}}"] = {"role": "Support"}
    BODIES[f"POST {place}/team/{{username}}"] = {"role": "Support"}
    BODIES[f"POST {place}/transfer"] = {"username": "unheard-of@example.com"}
HOOK = {"integration_type": "Webhook", "event": "made", "url": "http://127.0.0.1:9/nobody"}
for place in ("/v1", P, "/v1/orgs/{org}"):
    BODIES[f"POST {place}/integrations/{{integration}}/replay"] = {"after": 10**17}
    for one in ("integrations/{integration}", "webhooks/{webhook}"):
        BODIES[f"POST {place}/{one.partition('/')[0]}"] = HOOK
        BODIES[f"PUT {place}/{one}"] = HOOK
WITH_A_FILE = {f"POST {P}/firmware"}


def body_for(line: str) -> dict[str, Any] | None:
    """None where the route takes none."""
    if not BY_LINE[line].takes_body:
        return None
    made = MAKING.get(line)
    return made() if made else dict(BODIES.get(line, {}))
