"""Who may call each route, written by hand from the documents: one line a route.

A route that is not here fails the tests, and so does a line that no route has any more.
"""

from typing import NamedTuple

from domain.roles import Role

OWNER, ADMINISTRATOR, DEVELOPER, SUPPORT, VIEW_ONLY = Role


class Who(NamedTuple):
    """`role` is the lowest that may, in the team of what the path names; None: no team is asked.

    `program` is the scope by which an API user may, `device_owner` whether whoever claimed the
    device may, `account` whether everybody with an account may, `bearer` whether a product's own
    token may where no product is named, `customer` whether a customer of the product may, with a
    device of theirs where one is named, `anybody` whether no token is needed.
    """

    role: Role | None = None
    program: str = ""
    device_owner: bool = False
    account: bool = False
    bearer: bool = False
    customer: bool = False
    anybody: bool = False


OPERATOR = Who()  # administrators of the installation, who may all else too
ANYBODY = Who(anybody=True)
ACCOUNT = Who(account=True)
BUYER = Who(account=True, customer=True)
P = "/v1/products/{product}"
D = P + "/devices/{device}"
S = "/v1/devices/{device}"
G = P + "/groups/{group}"
F = P + "/firmware/{version}"
O = "/v1/orgs/{org}"  # noqa: E741

# fmt: off
EXPECTED: dict[str, Who] = {
    "GET /v1/status": OPERATOR,
    "GET /v1/meters/{meter}": OPERATOR,
    "PUT /v1/meters/{meter}": OPERATOR,
    "GET /v1/openapi.json": Who(account=True, bearer=True),

    "GET /v1/user/products": Who(None, "products:list", account=True, bearer=True),
    "GET /v1/products": Who(None, "products:list", account=True, bearer=True),
    "POST /v1/user/products": ACCOUNT,
    "POST /v1/products": ACCOUNT,
    f"GET {P}": Who(VIEW_ONLY, "products:get"),
    f"PUT {P}": Who(ADMINISTRATOR),
    f"DELETE {P}": Who(OWNER),
    f"GET {P}/overview": Who(VIEW_ONLY, "products:get"),
    f"GET {P}/history": Who(VIEW_ONLY),
    "GET /v1/user/usage": ACCOUNT,
    f"GET {P}/usage": Who(VIEW_ONLY, "products:get"),
    f"GET {P}/usage/messages": Who(VIEW_ONLY, "products:get"),
    f"GET {P}/usage/batches": Who(VIEW_ONLY, "products:get"),
    f"GET {P}/usage/data": Who(VIEW_ONLY, "products:get"),

    f"GET {P}/devices": Who(VIEW_ONLY, "devices:list"),
    f"POST {P}/devices": Who(DEVELOPER, "devices:import"),
    f"PUT {P}/devices": Who(DEVELOPER, "devices:update"),
    f"GET {D}": Who(VIEW_ONLY, "devices:get"),
    f"PUT {D}": Who(DEVELOPER, "devices:update"),
    f"DELETE {D}": Who(DEVELOPER, "devices:remove"),
    f"GET {D}/why": Who(VIEW_ONLY, "devices:get"),
    f"GET {D}/history": Who(VIEW_ONLY),
    f"POST {D}/retry": Who(DEVELOPER, "devices:update"),
    f"DELETE {D}/owner": Who(DEVELOPER, "devices:release"),

    f"GET {P}/groups": Who(VIEW_ONLY, "groups:list"),
    f"POST {P}/groups": Who(DEVELOPER, "groups:create"),
    f"GET {G}": Who(VIEW_ONLY, "groups:get"),
    f"PUT {G}": Who(DEVELOPER, "groups:update"),
    f"DELETE {G}": Who(DEVELOPER, "groups:remove"),
    f"GET {G}/history": Who(VIEW_ONLY),
    f"GET {P}/impact": Who(VIEW_ONLY, "groups.impact:get"),

    f"GET {P}/firmware": Who(VIEW_ONLY, "firmware:list"),
    f"POST {P}/firmware": Who(DEVELOPER, "firmware:create"),
    f"PUT {P}/firmware/release": Who(DEVELOPER, "firmware:release"),
    f"GET {F}": Who(VIEW_ONLY, "firmware:get"),
    f"PUT {F}": Who(DEVELOPER, "firmware:update"),
    f"DELETE {F}": Who(DEVELOPER, "firmware:remove"),
    f"GET {F}/binary": Who(DEVELOPER, "firmware.binary:get"),
    f"GET {F}/history": Who(VIEW_ONLY),

    "GET /v1/events": BUYER,
    "GET /v1/events/{prefix}": BUYER,
    "GET /v1/devices/log": BUYER,
    "GET /v1/devices/log/stream": BUYER,
    **{
        f"GET {heard}/{below}": Who(VIEW_ONLY, "events:get")
        for heard in (P, D, O)
        for below in ("log", "log/stream")
    },
    **{
        f"GET {heard}/{below}": who
        for heard, who in {
            "/v1/devices": BUYER,
            S: Who(VIEW_ONLY, "events:get", device_owner=True, customer=True),
            **dict.fromkeys((P, P + "/devices", D), Who(VIEW_ONLY, "events:get")),
            **dict.fromkeys((O, O + "/devices", O + "/devices/{device}"),
                            Who(VIEW_ONLY, "events:get")),
        }.items()
        for below in ("events", "events/{prefix}")
    },
    "POST /v1/devices/events": BUYER,
    f"POST {P}/events": Who(DEVELOPER, "events:send"),
    f"POST {O}/events": Who(DEVELOPER, "events:send"),
    "GET /v1/serial_numbers/{serial_number}": ACCOUNT,
    "POST /v1/diagnostics/{device}/update":
        Who(SUPPORT, "devices.diagnostics:update", device_owner=True),
    "GET /v1/diagnostics/{device}/last":
        Who(VIEW_ONLY, "devices.diagnostics:get", device_owner=True),
    "GET /v1/diagnostics/{device}": Who(VIEW_ONLY, "devices.diagnostics:get", device_owner=True),
    f"POST {P}/diagnostics/{{device}}/update": Who(SUPPORT, "devices.diagnostics:update"),
    f"GET {P}/diagnostics/{{device}}/last": Who(VIEW_ONLY, "devices.diagnostics:get"),
    f"GET {P}/diagnostics/{{device}}": Who(VIEW_ONLY, "devices.diagnostics:get"),
    f"PUT {S}/ping": Who(SUPPORT, "devices:ping", device_owner=True, customer=True),
    f"GET {S}/{{name}}":
        Who(SUPPORT, "devices.variable:get", device_owner=True, customer=True),
    f"POST {S}/{{name}}":
        Who(SUPPORT, "devices.function:call", device_owner=True, customer=True),
    f"PUT {D}/ping": Who(SUPPORT, "devices:ping"),
    f"GET {D}/{{name}}": Who(SUPPORT, "devices.variable:get"),
    f"POST {D}/{{name}}": Who(SUPPORT, "devices.function:call"),

    "GET /v1/devices": BUYER,
    "POST /v1/devices": BUYER,
    f"GET {S}": Who(VIEW_ONLY, "devices:get", device_owner=True, customer=True),
    f"PUT {S}": Who(DEVELOPER, "devices:update", device_owner=True, customer=True),
    f"DELETE {S}": Who(DEVELOPER, "devices:release", device_owner=True, customer=True),
    "POST /v1/device_claims": BUYER,
    f"POST {P}/device_claims": Who(DEVELOPER, customer=True),
    f"POST {O}/products/{{product}}/device_claims": Who(DEVELOPER, customer=True),
    "GET /v1/user/device_transfers": ACCOUNT,
    "POST /v1/user/device_transfers/{transfer}/accept": ACCOUNT,
    "POST /v1/user/device_transfers/{transfer}/decline": ACCOUNT,
    "DELETE /v1/user/device_transfers/{transfer}": ACCOUNT,

    "POST /oauth/token": ANYBODY,
    "GET /oauth/authorize": ANYBODY,
    "POST /oauth/authorize": ACCOUNT,
    "POST /v1/users": ANYBODY,
    "POST /v1/user/password-reset": ANYBODY,
    "PUT /v1/user/password-reset": ANYBODY,
    "GET /v1/access_tokens": ANYBODY,
    "DELETE /v1/access_tokens/{token}": ANYBODY,
    "GET /v1/access_tokens/current": Who(account=True, bearer=True, customer=True),
    "DELETE /v1/access_tokens/current": Who(account=True, bearer=True, customer=True),
    "DELETE /v1/access_tokens": Who(account=True, bearer=True, customer=True),
    "GET /v1/user": ACCOUNT,
    "PUT /v1/user": ACCOUNT,
    "DELETE /v1/user": ACCOUNT,
    "GET /v1/user/identify": ACCOUNT,
    "GET /v1/user/mfa-enable": ACCOUNT,
    "POST /v1/user/mfa-enable": ACCOUNT,
    "PUT /v1/user/mfa-disable": ACCOUNT,

    "GET /v1/orgs": ACCOUNT,
    "POST /v1/orgs": ACCOUNT,
    f"GET {O}": Who(VIEW_ONLY, "organization:get"),
    f"PUT {O}": Who(ADMINISTRATOR),
    f"GET {O}/products": Who(VIEW_ONLY, "products:list"),
    f"POST {O}/products": Who(DEVELOPER),
    f"GET {P}/permissions": Who(VIEW_ONLY),
    "GET /v1/user/invitations": ACCOUNT,
    "POST /v1/user/invitations/{team}/accept": ACCOUNT,
    "POST /v1/user/invitations/{team}/decline": ACCOUNT,
    "GET /v1/user/memberships": ACCOUNT,
    "DELETE /v1/user/memberships/{team}": ACCOUNT,
    "GET /v1/user/transfers": ACCOUNT,
    "POST /v1/user/transfers/{team}/accept": ACCOUNT,
    "POST /v1/user/transfers/{team}/decline": ACCOUNT,

    f"GET {P}/customers": Who(VIEW_ONLY, "customers:list"),
    f"POST {P}/customers": ANYBODY,
    f"POST {O}/customers": ANYBODY,
    f"PUT {P}/customers/{{customer}}": Who(DEVELOPER, "customers:update"),
    f"DELETE {P}/customers/{{customer}}": Who(DEVELOPER, "customers:remove"),
    f"GET {P}/activation_codes": Who(VIEW_ONLY, "customers:list"),
    f"POST {P}/activation_codes": Who(DEVELOPER, "customers:update"),
    f"POST {P}/activation_codes/{{activation}}/resend": Who(DEVELOPER, "customers:update"),
    f"DELETE {P}/activation_codes/{{activation}}": Who(DEVELOPER, "customers:remove"),

    "GET /v1/clients": ACCOUNT,
    "POST /v1/clients": ACCOUNT,
    "PUT /v1/clients/{client}": ACCOUNT,
    "DELETE /v1/clients/{client}": ACCOUNT,
    f"GET {P}/clients": Who(VIEW_ONLY, "clients:list"),
    f"POST {P}/clients": Who(DEVELOPER, "clients:create"),
    f"PUT {P}/clients/{{client}}": Who(DEVELOPER, "clients:update"),
    f"DELETE {P}/clients/{{client}}": Who(DEVELOPER, "clients:remove"),
}
# fmt: on

# The team of a product and that of an organization are run alike.
for place in (P, O):
    EXPECTED |= {
        f"GET {place}/team": Who(VIEW_ONLY, "teams.users:list"),
        f"GET {place}/team/": Who(VIEW_ONLY, "teams.users:list"),
        f"POST {place}/team": Who(ADMINISTRATOR, "teams.users:invite"),
        f"GET {place}/team/{{username}}": Who(VIEW_ONLY, "teams.users:get"),
        f"PUT {place}/team/{{username}}": Who(ADMINISTRATOR, "teams.users:update"),
        f"POST {place}/team/{{username}}": Who(ADMINISTRATOR, "teams.users:update"),
        f"DELETE {place}/team/{{username}}": Who(ADMINISTRATOR, "teams.users:remove"),
        f"PUT {place}/team/{{username}}/token": Who(ADMINISTRATOR, "teams.users:update"),
        f"POST {place}/team/{{username}}/token": Who(ADMINISTRATOR, "teams.users:update"),
        f"POST {place}/transfer": Who(OWNER),
        f"DELETE {place}/transfer": Who(OWNER),
    }

# What goes out, from one's own devices, from a product or an organization.
for place, own in (("/v1", True), (P, False), (O, False)):
    for one in ("integrations/{integration}", "webhooks/{webhook}"):
        every, below = f"{place}/{one.partition('/')[0]}", f"{place}/{one}"
        EXPECTED |= {
            line: ACCOUNT if own else who
            for line, who in {
                f"GET {every}": Who(VIEW_ONLY, "integrations:list"),
                f"POST {every}": Who(DEVELOPER, "integrations:create"),
                f"GET {below}": Who(VIEW_ONLY, "integrations:get"),
                f"PUT {below}": Who(DEVELOPER, "integrations:update"),
                f"DELETE {below}": Who(DEVELOPER, "integrations:remove"),
                f"POST {below}/test": Who(DEVELOPER, "integrations:test"),
            }.items()
        }
    below = f"{place}/integrations/{{integration}}"
    EXPECTED |= {
        line: ACCOUNT if own else who
        for line, who in {
            f"POST {below}/secret": Who(DEVELOPER, "integrations:update"),
            f"GET {below}/attempts": Who(VIEW_ONLY, "integrations:get"),
            f"GET {below}/deliveries": Who(VIEW_ONLY, "integrations:get"),
            f"GET {below}/deliveries/{{delivery}}": Who(VIEW_ONLY, "integrations:get"),
            f"POST {below}/deliveries/{{delivery}}/retry": Who(DEVELOPER, "integrations:update"),
            f"POST {below}/deliveries/retry": Who(DEVELOPER, "integrations:update"),
            f"POST {below}/replay": Who(DEVELOPER, "integrations:update"),
        }.items()
    }
