"""Every answer that a test gets must be one that the OpenAPI description promises."""

import json
import re
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from api.app import ROUTES
from api.openapi import document
from api.routing import REQUEST_HEADER


@cache
def described() -> Any:
    return json.loads(document(tuple(ROUTES)))


@cache
def addresses() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in described()["paths"]]


@cache
def validator(path: str, method: str, status: str) -> Draft202012Validator | None:
    """Of the JSON that an address answers; None where it answers none."""
    answer = described()["paths"][path][method]["responses"].get(status)
    assert answer is not None, f"{method} {path} is not described to answer {status}"
    if "$ref" in answer:
        answer = described()["components"]["responses"][status]
    content = answer.get("content", {}).get("application/json")
    if content is None:
        return None
    return Draft202012Validator({**content["schema"], "components": described()["components"]})


def check(response: httpx.Response) -> None:
    """Raises AssertionError for an answer that the description does not know."""
    request = response.request
    method = "get" if request.method == "HEAD" else request.method.lower()
    path = next(
        (
            path
            for pattern, path in addresses()
            if pattern.fullmatch(request.url.path) and method in described()["paths"][path]
        ),
        None,
    )
    if path is None:
        return
    assert response.headers[REQUEST_HEADER]
    found = validator(path, method, str(response.status_code))
    if found is not None and request.method != "HEAD":
        response.read()
        found.validate(response.json())
