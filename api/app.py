"""Every route of the HTTP API, on one page: method, address, handler, scope."""

from api import status
from api.calls import functions, pings, publishing, serial_numbers, variables, vitals
from api.fleet import (
    claims,
    device_changes,
    devices,
    firmware,
    groups,
    history,
    impact,
    imports,
    overview,
    products,
    releases,
    sandbox,
    transfers,
    why,
)
from api.fleet.binaries import UPLOAD_BYTES_MAX
from api.fleet.device_changes import BATCH_BYTES_MAX
from api.fleet.imports import IMPORT_BYTES_MAX
from api.limits import (
    EVENT_STREAMS,
    OAUTH_TOKEN,
    PASSWORD_RESET,
    SIGN_UP,
    TOKENS_LISTED,
    TOKENS_REVOKED,
    USER_DELETED,
)
from api.openapi import openapi
from api.outbound.routes import outbound_routes
from api.people import (
    accounts,
    activation_codes,
    clients,
    customers,
    invitations,
    mfa,
    oauth,
    organizations,
    ownership,
    password_resets,
    permissions,
    teams,
    tokens,
)
from api.realms import Realm
from api.routing import (
    ANONYMOUS,
    Handler,
    Route,
)
from api.said import log, streams
from api.usage import allowances, data, messages
from api.usage import status as usage

P = "/v1/products/{product}"
D = P + "/devices/{device}"
G = P + "/groups/{group}"
F = P + "/firmware/{version}"
S = "/v1/devices/{device}"
T = "/v1/user/device_transfers"
V = "/v1/diagnostics/{device}"
ORG = "/v1/orgs/{org}"
PV = P + "/diagnostics/{device}"


# fmt: off
def team_routes(of: str) -> list[Route]:
    """The team of a product, or of an organization: the same calls for both."""
    team, member = of + "/team", of + "/team/{username}"
    return [
        Route("GET",    team,              teams.list_team,      "teams.users:list"),
        Route("POST",   team,              teams.add_member,     "teams.users:invite", secret=True),
        Route("GET",    team + "/",        teams.list_team,      "teams.users:list"),
        Route("GET",    member,            teams.get_member,     "teams.users:get", also=(404,)),
        Route("PUT",    member,            teams.change_member,  "teams.users:update",
              secret=True, also=(404,)),
        Route("POST",   member,            teams.change_member,  "teams.users:update",
              secret=True, also=(404,)),
        Route("DELETE", member,            teams.remove_member,  "teams.users:remove",
              also=(404,), settles=True),
        Route("PUT",    member + "/token", teams.replace_token,  "teams.users:update",
              secret=True, also=(404,)),
        Route("POST",   member + "/token", teams.replace_token,  "teams.users:update",
              secret=True, also=(404,)),
    ]


def event_streams(of: str, handler: Handler) -> list[Route]:
    """What devices say, all of it or what has a name that starts so."""
    return [
        Route("GET", of + "/events", handler, "events:get", limit=EVENT_STREAMS),
        Route("GET", of + "/events/{prefix}", handler, "events:get", limit=EVENT_STREAMS),
    ]


def log_routes(of: str, look_through: Handler, stream: Handler) -> list[Route]:
    """What devices said, and what they say, as far as a filter finds it."""
    return [
        Route("GET", of + "/log", look_through, "events:get"),
        Route("GET", of + "/log/stream", stream, "events:get", limit=EVENT_STREAMS),
    ]


ROUTES = [
    Route("GET",    "/v1/user/products",     products.list_products,       "products:list"),
    Route("POST",   "/v1/user/products",     products.create_product,      "products:create", 201),
    Route("GET",    "/v1/products",          products.list_products,       "products:list"),
    Route("POST",   "/v1/products",          products.create_product,      "products:create", 201),
    Route("GET",    P,                       products.get_product,         "products:get"),
    Route("PUT",    P,                       products.change_product,      "products:update"),
    Route("DELETE", P,                       products.retire_product,      "products:remove", 204),
    Route("GET",    P + "/overview",         overview.get_overview,        "products:get"),
    Route("GET",    P + "/history",          history.history_of_product,   "history:list"),

    Route("GET",    P + "/devices",          devices.list_devices,         "devices:list"),
    Route("POST",   P + "/devices",          imports.import_devices,       "devices:import",
          bytes_max=IMPORT_BYTES_MAX, slow=True),
    Route("PUT",    P + "/devices",          device_changes.change_devices, "devices:update",
          bytes_max=BATCH_BYTES_MAX, also=(404,)),
    Route("GET",    D,                       devices.get_device,           "devices:get"),
    Route("PUT",    D,                       device_changes.change_device, "devices:update",
          bytes_max=UPLOAD_BYTES_MAX, also=(502,)),
    Route("DELETE", D,                       device_changes.remove_device, "devices:remove", 204),
    Route("GET",    D + "/why",              why.why,                      "devices:get"),
    Route("GET",    D + "/history",          history.history_of_device,    "history:list"),
    Route("POST",   D + "/retry",            device_changes.retry_update,  "devices:update"),

    Route("GET",    P + "/groups",           groups.list_groups,           "groups:list"),
    Route("POST",   P + "/groups",           groups.create_group,          "groups:create", 201),
    Route("GET",    G,                       groups.get_group,             "groups:get"),
    Route("PUT",    G,                       groups.change_group,          "groups:update"),
    Route("DELETE", G,                       groups.remove_group,          "groups:remove", 204),
    Route("GET",    G + "/history",          history.history_of_group,     "history:list"),
    Route("GET",    P + "/impact",           impact.preview,               "groups.impact:get",
          also=(404, 409)),

    Route("GET",    P + "/firmware",         firmware.list_firmware,       "firmware:list"),
    Route("POST",   P + "/firmware",         firmware.upload_firmware,     "firmware:create", 201,
          bytes_max=UPLOAD_BYTES_MAX),
    Route("PUT",    P + "/firmware/release", releases.release_firmware,    "firmware:release",
          also=(404,)),
    Route("GET",    F,                       firmware.get_firmware,        "firmware:get"),
    Route("PUT",    F,                       firmware.change_firmware,     "firmware:update"),
    Route("DELETE", F,                       firmware.delete_firmware,     "firmware:remove", 204),
    Route("GET",    F + "/binary",           firmware.download_firmware,   "firmware.binary:get",
          also=(206, 304, 416)),
    Route("GET",    F + "/history",          history.history_of_firmware,  "history:list"),

    Route("GET",    "/v1/devices",           sandbox.list_own_devices,     "devices:list"),
    Route("POST",   "/v1/devices",           claims.claim_device,          "devices:claim",
          also=(404,)),
    Route("POST",   "/v1/device_claims",     claims.create_claim_code,     "devices:claim",
          secret=True),
    Route("POST",   P + "/device_claims",    claims.create_claim_code,     "devices:claim",
          secret=True),
    Route("POST",   ORG + "/products/{product}/device_claims",
          claims.create_claim_code_by_organization, "devices:claim", secret=True,
          realm=Realm.PRODUCT),
    Route("GET",    S,                       sandbox.get_own_device,       "devices:get"),
    Route("PUT",    S,                       sandbox.change_own_device,    "devices:update",
          bytes_max=UPLOAD_BYTES_MAX, also=(502,)),
    Route("DELETE", S,                       sandbox.unclaim_device,       "devices:release",
          settles=True),
    Route("DELETE", D + "/owner",            sandbox.remove_owner,         "devices:release"),
    Route("GET",    T,                       transfers.list_transfers,     "devices:transfer"),
    Route("POST",   T + "/{transfer}/accept", transfers.accept_transfer,   "devices:transfer",
          also=(404,), settles=True),
    Route("POST",   T + "/{transfer}/decline", transfers.decline_transfer, "devices:transfer",
          also=(404,), settles=True),
    Route("DELETE", T + "/{transfer}",       transfers.withdraw_transfer,  "devices:transfer",
          also=(404,), settles=True),

    *event_streams("/v1/devices",            streams.stream_own_events),
    *event_streams(P,                        streams.stream_product_events),
    *event_streams(P + "/devices",           streams.stream_product_events),
    *event_streams(D,                        streams.stream_product_device_events),
    *event_streams(ORG,                      streams.stream_organization_events),
    *event_streams(ORG + "/devices",         streams.stream_organization_events),
    *event_streams(ORG + "/devices/{device}", streams.stream_organization_device_events),
    *event_streams(S,                        streams.stream_device_events),
    Route("GET",    "/v1/events",            streams.refuse_without_prefix, "events:get",
          limit=EVENT_STREAMS),
    Route("GET",    "/v1/events/{prefix}",   streams.stream_own_events_by_prefix, "events:get",
          limit=EVENT_STREAMS),
    *log_routes("/v1/devices", log.look_through_own_log,     log.stream_own_log),
    *log_routes(P,             log.look_through_product_log, log.stream_product_log),
    *log_routes(D,             log.look_through_device_log,  log.stream_device_log),
    *log_routes(ORG,           log.look_through_organization_log, log.stream_organization_log),

    Route("POST",   "/v1/devices/events",    publishing.publish,           "events:send"),
    Route("POST",   P + "/events",           publishing.publish_in_product, "events:send",
          also=(404,)),
    Route("POST",   ORG + "/events",         publishing.publish_in_organization, "events:send"),
    Route("GET",    "/v1/serial_numbers/{serial_number}",
          serial_numbers.look_up_serial_number, "serial_numbers:get", also=(404,)),

    Route("POST",   V + "/update",           vitals.update_vitals, "devices.diagnostics:update",
          202, also=(502,)),
    Route("GET",    V + "/last",             vitals.last_vitals,   "devices.diagnostics:get"),
    Route("GET",    V,                       vitals.vitals_history, "devices.diagnostics:get"),
    Route("POST",   PV + "/update",          vitals.update_vitals, "devices.diagnostics:update",
          202, also=(502,)),
    Route("GET",    PV + "/last",            vitals.last_vitals,   "devices.diagnostics:get"),
    Route("GET",    PV,                      vitals.vitals_history, "devices.diagnostics:get"),

    # Behind everything else below a device: a function or a variable may be called nearly anything.
    Route("PUT",    S + "/ping",             pings.ping,                   "devices:ping"),
    Route("GET",    S + "/{name}",           variables.read_variable,      "devices.variable:get",
          also=(408, 502)),
    Route("POST",   S + "/{name}",           functions.call_function,      "devices.function:call",
          also=(502,)),
    Route("PUT",    D + "/ping",             pings.ping,                   "devices:ping"),
    Route("GET",    D + "/{name}",           variables.read_variable,      "devices.variable:get",
          also=(408, 502)),
    Route("POST",   D + "/{name}",           functions.call_function,      "devices.function:call",
          also=(502,)),

    Route("POST",   "/oauth/token",          oauth.issue_token,            ANONYMOUS,
          limit=OAUTH_TOKEN, also=(404,)),
    Route("GET",    "/oauth/authorize",      oauth.show_authorization,     ANONYMOUS),
    Route("POST",   "/oauth/authorize",      oauth.answer_authorization,   "user:update",
          secret=True),
    Route("GET",    "/v1/access_tokens",     tokens.list_tokens,           ANONYMOUS,
          limit=TOKENS_LISTED),
    Route("DELETE", "/v1/access_tokens",     tokens.revoke_all_tokens,     "tokens:remove",
          limit=TOKENS_REVOKED, logs_out=True),
    Route("GET",    "/v1/access_tokens/current", tokens.get_current_token, "tokens:get"),
    Route("DELETE", "/v1/access_tokens/current", tokens.revoke_current_token, "tokens:remove",
          limit=TOKENS_REVOKED, logs_out=True),
    Route("DELETE", "/v1/access_tokens/{token}", tokens.revoke_token,      ANONYMOUS,
          limit=TOKENS_REVOKED, also=(404,)),

    Route("POST",   "/v1/users",             accounts.sign_up,             ANONYMOUS,
          limit=SIGN_UP),
    Route("GET",    "/v1/user",              accounts.get_user,            "user:get"),
    Route("PUT",    "/v1/user",              accounts.change_user,         "user:update",
          secret=True, also=(404,)),
    Route("DELETE", "/v1/user",              accounts.remove_user,         "user:remove",
          limit=USER_DELETED, secret=True, also=(404,)),
    Route("GET",    "/v1/user/identify",     accounts.identify_user,       "user:get"),
    Route("POST",   "/v1/user/password-reset", password_resets.request_reset, ANONYMOUS,
          limit=PASSWORD_RESET),
    Route("PUT",    "/v1/user/password-reset", password_resets.reset_password, ANONYMOUS,
          limit=PASSWORD_RESET, also=(404,)),
    Route("GET",    "/v1/user/mfa-enable",   mfa.offer_mfa,                "user:update",
          also=(404,)),
    Route("POST",   "/v1/user/mfa-enable",   mfa.confirm_mfa,              "user:update",
          secret=True, also=(404,)),
    Route("PUT",    "/v1/user/mfa-disable",  mfa.disable_mfa,              "user:update",
          secret=True, also=(404,)),

    Route("GET",    "/v1/clients",           clients.list_clients,         "clients:list"),
    Route("POST",   "/v1/clients",           clients.register_client,      "clients:create",
          secret=True),
    Route("PUT",    "/v1/clients/{client}",  clients.change_client,        "clients:update",
          also=(404,)),
    Route("DELETE", "/v1/clients/{client}",  clients.remove_client,        "clients:remove",
          204, also=(404,), settles=True),
    Route("GET",    P + "/clients",          clients.list_clients,         "clients:list"),
    Route("POST",   P + "/clients",          clients.register_client,      "clients:create",
          secret=True),
    Route("PUT",    P + "/clients/{client}", clients.change_client,        "clients:update",
          also=(404,)),
    Route("DELETE", P + "/clients/{client}", clients.remove_client,        "clients:remove",
          204, also=(404,), settles=True),

    Route("GET",    P + "/customers",        customers.list_customers,     "customers:list"),
    Route("POST",   P + "/customers",        customers.create_customer,    ANONYMOUS, 201,
          also=(303,)),
    Route("POST",   ORG + "/customers",      customers.create_customer,    ANONYMOUS, 201,
          also=(303,)),
    Route("PUT",    P + "/customers/{customer}", customers.change_customer, "customers:update",
          secret=True, also=(404,)),
    Route("DELETE", P + "/customers/{customer}", customers.remove_customer, "customers:remove",
          also=(404,)),
    Route("GET",    P + "/activation_codes", activation_codes.list_activation_codes,
          "customers:list"),
    Route("POST",   P + "/activation_codes", activation_codes.invite_customers,
          "customers:update"),
    Route("POST",   P + "/activation_codes/{activation}/resend",
          activation_codes.resend_activation_code, "customers:update", also=(404,)),
    Route("DELETE", P + "/activation_codes/{activation}",
          activation_codes.remove_activation_code, "customers:remove", 204, also=(404,)),

    Route("GET",    P + "/permissions",      permissions.get_permissions,  "permissions:get"),
    *team_routes(P),
    Route("POST",   P + "/transfer",         ownership.offer_product,      "products:transfer",
          also=(404,)),
    Route("DELETE", P + "/transfer",         ownership.withdraw_offer,     "products:transfer"),

    Route("GET",    "/v1/orgs",              organizations.list_organizations,
          "organization:list"),
    Route("POST",   "/v1/orgs",              organizations.create_organization,
          "organization:create", 201),
    Route("GET",    ORG,                     organizations.get_organization, "organization:get"),
    Route("PUT",    ORG,                     organizations.rename_organization,
          "organization:update"),
    Route("GET",    ORG + "/products",       organizations.list_organization_products,
          "products:list"),
    Route("POST",   ORG + "/products",       organizations.create_organization_product,
          "products:create", 201),
    *team_routes(ORG),
    Route("POST",   ORG + "/transfer",       ownership.offer_organization,
          "organization:transfer"),
    Route("DELETE", ORG + "/transfer",         ownership.withdraw_offer, "organization:transfer"),

    Route("GET",    "/v1/user/invitations",  invitations.list_invitations, "invitations:list"),
    Route("POST",   "/v1/user/invitations/{team}/accept",
          invitations.accept_invitation,     "invitations:answer", also=(404,)),
    Route("POST",   "/v1/user/invitations/{team}/decline",
          invitations.decline_invitation,    "invitations:answer", also=(404,)),
    Route("GET",    "/v1/user/memberships",  invitations.list_memberships, "invitations:list"),
    Route("DELETE", "/v1/user/memberships/{team}", teams.leave_team,
          "invitations:answer", also=(404,), settles=True),
    Route("GET",    "/v1/user/transfers",    ownership.list_offers,        "transfers:list"),
    Route("POST",   "/v1/user/transfers/{team}/accept",
          ownership.accept_offer,            "transfers:answer", also=(404,)),
    Route("POST",   "/v1/user/transfers/{team}/decline",
          ownership.decline_offer,           "transfers:answer", also=(404,), settles=True),

    *outbound_routes("/v1"), *outbound_routes(P), *outbound_routes(ORG),

    Route("GET",    "/v1/user/usage",        usage.get_own_usage,          "usage:get"),
    Route("GET",    P + "/usage",            usage.get_usage,              "products:get"),
    Route("GET",    P + "/usage/messages",   messages.count_messages,      "products:get"),
    Route("GET",    P + "/usage/batches",    messages.list_batches,        "products:get"),
    Route("GET",    P + "/usage/data",       data.count_data,              "products:get"),
    Route("GET",    "/v1/meters/{meter}",    allowances.get_allowance,     "meters:get",
          also=(404,)),
    Route("PUT",    "/v1/meters/{meter}",    allowances.set_allowance,     "meters:update",
          also=(404,)),

    Route("GET",    "/v1/status",            status.status,                "status:get"),
    Route("GET",    "/v1/openapi.json",      openapi,                      "openapi:get"),
]
# fmt: on
