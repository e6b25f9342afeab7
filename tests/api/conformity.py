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

JSON = "application/json"


@cache
def described() -> Any:
    return json.loads(document(tuple(ROUTES)))


@cache
def addresses() -> list[tuple[re.Pattern[str], str]]:
    """The plainest first, as they are looked at."""
    paths = sorted(described()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in paths]


@cache
def content(path: str, method: str, status: str) -> Any:
    """What an address answers, by media type."""
    answer = described()["paths"][path][method]["responses"].get(status)
    assert answer is not None, f"{method} {path} is not described to answer {status}"
    if "$ref" in answer:
        answer = described()["components"]["responses"][status]
    return answer.get("content", {})


@cache
def validator(path: str, method: str, status: str) -> Draft202012Validator:
    """Of the JSON that an address answers."""
    schema = content(path, method, status)[JSON]["schema"]
    return Draft202012Validator({**schema, "components": described()["components"]})


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
    answer = (path, method, str(response.status_code))
    media = response.headers.get("content-type", "").partition(";")[0]
    if not content(*answer) or request.method == "HEAD":
        return
    assert media in content(*answer), f"{method} {path} is not described to answer {media}"
    if media == JSON:
        response.read()
        validator(*answer).validate(response.json())
