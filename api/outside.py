"""What the clients of this market may ask for and Rollcall does not have: one page of refusals.

Nothing is looked up and nothing is let through, so no token is asked for.
"""

from collections.abc import Sequence
from re import compile as regex
from re import sub

from msgspec import Struct
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from api.failure import answer_to
from api.problem import NotSupported, SourcesSent
from api.routing import REQUEST_HEADER, request_id_of

EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

USER = "/v1"
P = "/v1/products/{product}"
O = "/v1/orgs/{org}"  # noqa: E741
D = "/devices/{device}"


class Outside(Struct, frozen=True):
    """Addresses that are refused with one sentence; with everything below each that ends in /*."""

    sentence: str
    paths: tuple[str, ...]
    methods: tuple[str, ...] = EVERY_METHOD


# fmt: off
OUTSIDE = [
    Outside(str(SourcesSent()),
            (USER + "/binaries/*", USER + "/build_targets")),
    Outside("Rollcall keeps no releases of Device OS.",
            (USER + "/device-os/*", USER + "/system_firmware/*")),
    Outside("Rollcall keeps no libraries. The compiler that you use brings its own.",
            (USER + "/libraries/*",)),
    Outside("Rollcall sells and steers no SIM cards. Ask whoever you have them from.",
            (USER + "/sims/*", P + "/sims/*", P + D + "/target_profile")),
    Outside("Rollcall has no ledgers.",
            (USER + "/ledgers/*", P + "/ledgers/*", O + "/ledgers/*")),
    Outside("Rollcall runs no Logic. Run such code in a program that calls the API.",
            (USER + "/logic/*", P + "/logic/*", O + "/logic/*")),
    Outside("Rollcall keeps no environment variables for devices.",
            (USER + "/env/*", P + "/env/*", O + "/env/*")),
    Outside("Rollcall keeps no secrets for others.",
            (USER + "/secrets/*", O + "/secrets/*")),
    Outside("Rollcall does not take part in device protection.",
            (USER + D + "/unprotect", P + D + "/unprotect", O + D + "/unprotect")),
    Outside("Rollcall takes no public keys. A device proves itself with its own secret.",
            (USER + "/provisioning/*",)),
    Outside("Rollcall does not set up, back up or fill single-board computers.",
            (USER + D + "/backup_files", P + "/registration_code", P + D + "/docs/*")),

    Outside("Rollcall has no settings for Tracker products yet.",
            (P + "/config/*",)),
    Outside("Rollcall keeps no locations yet.",
            (P + "/locations/*", P + "/fleet_locations")),
]
# fmt: on


class Refusals(BaseRoute):
    """All of them as one route, which costs every other call one look at its address.

    It goes before all others: an address of ours that holds a name would take some of theirs,
    `/v1/devices/{device}/unprotect` being no function of the device.
    """

    def __init__(self, refusals: Sequence[Outside] = OUTSIDE) -> None:
        self._refusals = refusals
        self._pattern = regex("|".join(f"({pattern_of(one)})" for one in refusals))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        found = self._pattern.fullmatch(f"{scope['path']} {scope['method']}")
        if found is None or found.lastindex is None:
            return Match.NONE, {}
        return Match.FULL, {"refused": self._refusals[found.lastindex - 1].sentence}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(Request(scope))
        response = answer_to(NotSupported(scope["refused"]), request_id)
        response.headers[REQUEST_HEADER] = request_id
        await response(scope, receive, send)


def pattern_of(refused: Outside) -> str:
    """Of an address and a method: a name stands for whatever is no slash, /* for whatever is below
    or nothing."""
    named = (sub(r"{\w+}", "[^/]+", path) for path in refused.paths)
    below = (path.removesuffix("/*") + "(?:/.*)?" * path.endswith("/*") for path in named)
    return f"(?:{'|'.join(below)}) (?:{'|'.join(refused.methods)})"
