"""The addresses of the table of routes, with something in the place of every part."""

import re
from contextlib import closing
from typing import Any

import httpx

from api.app import ROUTES
from api.routing import Route

NOTHING = "0" * 24

# What is named so is nowhere, and is no word that has a meaning of its own at its place.
UNKNOWN: dict[str, str] = {
    "product": "64999",
    "org": NOTHING,
    "device": NOTHING,
    "group": "unheard-of",
    "version": "65000",
    "client": "unheard-of",
    "client_id": "unheard-of",
    "token": "f" * 40,
    "username": "unheard-of@example.com",
    "team": NOTHING,
    "transfer": NOTHING,
    "serial_number": "UNHEARD-OF",
    "name": "unheardOf",
    "prefix": "unheard/of",
    "customer": "unheard-of@example.com",
    "integration": NOTHING,
    "webhook": NOTHING,
    "delivery": "999999999",
    "activation": NOTHING,
    "meter": "product-64999",
}


def address(path: str, **parts: Any) -> str:
    """The address; what no part is named for is unknown."""
    return path.format_map({**UNKNOWN, **parts})


def parts_of(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


def ask(client: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
    """The answer; of a stream, which has no end, only that it began."""
    response = client.send(client.build_request(method, path, **options), stream=True)
    with closing(response):
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            response.read()
            return response
        return httpx.Response(response.status_code, headers=response.headers)


def line(route: Route) -> str:
    """How a route is called in tables and in the names of tests."""
    return f"{route.method} {route.path}"


BY_LINE: dict[str, Route] = {line(route): route for route in ROUTES}
