"""The OpenAPI description, made from the table of routes and the structs of their handlers."""

import inspect
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Struct
from starlette.responses import Response

from api.body import BYTES, FORM, JSON, MULTIPART, TEXT
from api.call import Call
from api.followed import MODELS
from api.idempotency import HEADER, KEPT_HOURS, KEY_CHARACTERS_MAX, REPLAYED_HEADER
from api.openapi_links import links_of
from api.problem import Trouble
from api.routing import (
    AT_LEAST_HEADER,
    BEHIND_HEADER,
    POSITION_DIGITS_MAX,
    POSITION_HEADER,
    REQUEST_HEADER,
    Files,
    Route,
)
from api.said.event_stream import LAST_EVENT_ID
from api.said.event_stream import MEDIA_TYPE as EVENT_STREAM
from api.said.stored import PLACE_DIGITS_MAX

VERSION = "1"
REF = "#/components/schemas/{name}"
ABOUT = """An event-sourced device cloud. Paths and shapes follow the Particle API; what is added is
in the same style. A write answers once the read models show it, or says which are behind. Requests
are JSON, urlencoded or multipart; unknown fields are ignored. Every error is a Trouble."""

MEANINGS = {
    200: "Done.",
    201: "Created.",
    202: "Taken on; what comes of it shows later.",
    204: "Done; there is nothing to say.",
    206: "The range that was asked for.",
    303: "It goes on where the client was registered to, with the token behind the mark #.",
    304: "What the client has is what there is.",
    400: "Something that was sent cannot be, or a rule refuses it; no token is said so too.",
    401: "The token is not known. Nothing else is ever answered so.",
    403: "There is no such product, or the token lacks the scope.",
    404: "There is no such device, group, firmware or handshake in the product.",
    408: "The body did not arrive in time, or the device is offline or did not answer.",
    409: "The state of things stands in the way, or history moved on, or the call is under way.",
    413: "The body is too large.",
    415: "The body is of a type that is not taken here.",
    416: "The range lies outside.",
    422: "The Idempotency-Key was used for another call.",
    429: "Too many of these from one address, or user. Retry-After says when there are more.",
    501: "Rollcall does not have this, or not yet; the sentence says what.",
    502: "The device answered that it could not, or what makes no sense.",
    500: "A fault of ours; it names the request.",
    503: "Too busy just now, or out of reach of the database. Try again.",
}
ALWAYS = (400, 401, 403, 429, 500, 503)
WITH_BODY = (408, 409, 413, 415, 422)
# Where a device may be named by its name.
BY_NAME_TOO = ("/v1/devices/{device}", "/v1/diagnostics/{device}")
PARTS = {
    "product": {"type": "string", "description": "The product's id or slug."},
    "device": {
        "type": "string",
        "description": "24 hexadecimal digits, in any case; where no product is named, also the"
        " name of a device of one's own.",
    },
    "group": {"type": "string", "description": "The group's name."},
    "version": {"type": "integer", "description": "The firmware's version."},
    "name": {"type": "string", "description": "A function or variable, as the device names it."},
    "serial_number": {"type": "string", "description": "As the device says it."},
    "transfer": {"type": "string", "description": "The transfer's id."},
    "org": {"type": "string", "description": "The organization's id or slug."},
    "team": {"type": "string", "description": "A product's number, or an organization's id."},
    "customer": {"type": "string", "description": "A customer's e-mail, other name, or id."},
    "activation": {"type": "string", "description": "The activation code's id, not the code."},
    "username": {"type": "string", "description": "An e-mail, or the username of an API user."},
    "prefix": {"type": "string", "description": "How names begin; it may hold slashes."},
}


# Nobody can send less, or what stands for another address.
SEGMENT = {"minLength": 1, "pattern": r"^(?!\.{1,2}$)[^/]+$"}


async def openapi(call: Call) -> Annotated[Response, dict[str, Any]]:
    """This description."""
    return Response(document(tuple(call.request.app.state.routes)), media_type=JSON)


@cache
def document(routes: tuple[Route, ...]) -> bytes:
    """The OpenAPI 3.1 document of the routes, as JSON."""
    schemas = Schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    names = operation_ids(routes)
    for route in routes:
        operation = operation_of(route, schemas, names[route])
        if links := links_of(route, routes, names):
            operation["responses"][str(route.status)]["links"] = links
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Rollcall", "version": VERSION, "description": ABOUT},
            "security": [{"token": []}],
            "paths": paths,
            "components": {
                "schemas": schemas.components,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
                "responses": {str(status): problem(status) for status in MEANINGS if status >= 400},
            },
        }
    )


class Schemas:
    """The schemas of every struct that a handler takes or answers with."""

    def __init__(self, routes: Sequence[Route]) -> None:
        kinds: list[Any] = [Trouble]
        for route in routes:
            hints = route.hints
            kinds += [hints[name] for name in ("query", "body") if name in hints]
            kinds.append(answer_of(hints)[0])
        self._kinds = list(dict.fromkeys(kind for kind in kinds if kind is not None))
        found, components = msgspec.json.schema_components(self._kinds, ref_template=REF)
        self._schemas = dict(zip(self._kinds, found, strict=True))
        self.components = components

    def of(self, kind: Any) -> dict[str, Any]:
        """A reference, or the schema itself where a kind has no name."""
        schema: dict[str, Any] = self._schemas[kind]
        return schema

    def fields(self, kind: type[Struct]) -> Mapping[str, dict[str, Any]]:
        """The fields of a struct, each with its schema."""
        named: str = self.of(kind)["$ref"]
        properties: dict[str, dict[str, Any]] = self.components[named.rpartition("/")[2]][
            "properties"
        ]
        return properties

    def required(self, kind: type[Struct]) -> Sequence[str]:
        named: str = self.of(kind)["$ref"]
        required: list[str] = self.components[named.rpartition("/")[2]].get("required", [])
        return required


def answer_of(hints: Mapping[str, Any]) -> tuple[Any, Sequence[str]]:
    """What a handler answers with: a struct, None for no JSON; and the types of media that it has
    besides. `Annotated[…, kind, *media]` says it where the handler makes its replies itself; with
    no more than a Response they are bytes."""
    answer = hints.get("return")
    if get_origin(answer) is Annotated:
        _, kind, *media = get_args(answer)
        return kind, media
    if answer is Response:
        return None, (BYTES,)
    return (None if answer is type(None) else answer), ()


def operation_ids(routes: Sequence[Route]) -> dict[Route, str]:
    """The name of every operation, which is its handler's."""
    names: dict[Route, str] = {}
    taken: set[str] = set()
    for route in routes:
        name = route.handler.__name__
        while name in taken:
            name = f"{name}_too"  # the same under another address
        taken.add(name)
        names[route] = name
    return names


def operation_of(route: Route, schemas: Schemas, name: str) -> dict[str, Any]:
    hints = route.hints
    text = inspect.cleandoc(route.handler.__doc__ or "")
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": text.partition("\n")[0],
        "tags": [route.scope.partition(":")[0].partition(".")[0]],
        "security": [] if route.anonymous else [{"token": [route.scope]}],
        "parameters": parameters_of(route, schemas),
        "responses": {str(status): answer for status, answer in answers_of(route, schemas)},
    }
    if "body" in hints or "files" in hints:
        operation["requestBody"] = body_of(route, schemas)
    return operation


def parameters_of(route: Route, schemas: Schemas) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    for part in re.findall(r"{(\w+)}", route.path):
        schema = {**SEGMENT, **PARTS.get(part, {"type": "string", "description": f"The {part}."})}
        about = schema.pop("description")
        parameters.append(
            {"name": part, "in": "path", "required": True, "description": about, "schema": schema}
        )
    if "query" in route.hints:
        kind = route.hints["query"]
        required = schemas.required(kind)
        for name, schema in schemas.fields(kind).items():
            parameter = {"name": name, "in": "query", "schema": schema}
            parameters.append({**parameter, "required": name in required})
    if route.takes_body:
        if route.keyed:
            about = f"Makes the call happen once; its reply is kept for {KEPT_HOURS} hours."
            parameters.append(header(HEADER, about, KEY_CHARACTERS_MAX, "^[ -~]+$"))
    else:
        about = "The position of the log that the reply must reflect; waited for, bounded."
        parameters.append(header(AT_LEAST_HEADER, about, POSITION_DIGITS_MAX, "^[0-9]+$"))
    if EVENT_STREAM in answer_of(route.hints)[1]:
        about = "The place to resume after; goes before the one in the query."
        parameters.append(header(LAST_EVENT_ID, about, PLACE_DIGITS_MAX, "^[0-9]+$"))
    return parameters


def header(name: str, about: str, characters_max: int, pattern: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": characters_max, "pattern": pattern}
    return {"name": name, "in": "header", "description": about, "schema": schema}


def body_of(route: Route, schemas: Schemas) -> dict[str, Any]:
    hints = route.hints
    kind = hints["body"]
    content: dict[str, Any] = {
        JSON: {"schema": schemas.of(kind)},
        FORM: {"schema": schemas.of(kind)},
        MULTIPART: {"schema": schemas.of(kind)},
    }
    if hints.get("files") == Files:
        file = {"type": "object", "properties": {"file": {"contentMediaType": BYTES}}}
        content[MULTIPART] = {"schema": {"allOf": [schemas.of(kind), file]}}
        content[TEXT] = {"schema": {"type": "string"}}
    about = f"At most {route.bytes_max} bytes."
    return {"description": about, "required": False, "content": content}


ANY_TEXT = {"type": "string"}


def answers_of(route: Route, schemas: Schemas) -> list[tuple[int, dict[str, Any]]]:
    """Every status that the route can answer, with what it then says."""
    kind, media = answer_of(route.hints)
    success: dict[str, Any] = {"description": MEANINGS[route.status], "headers": headers_of(route)}
    content = {JSON: {"schema": schemas.of(kind)}} if kind is not None else {}
    content |= {one: {"schema": {} if one == BYTES else ANY_TEXT} for one in media}
    if content:
        success["content"] = content
    statuses = {*ALWAYS, *route.also, *(WITH_BODY if route.takes_body else ())}
    if re.search(r"{(device|group|version)}", route.path):
        statuses.add(404)
    if route.path.startswith(BY_NAME_TOO):
        statuses.add(409)  # several devices of that name
    answers = [(route.status, success)]
    for status in sorted(statuses):
        if status == 206:
            answers.append((status, {"description": MEANINGS[status], "content": content}))
        elif status < 400:
            answers.append((status, {"description": MEANINGS[status]}))
        else:
            answers.append((status, {"$ref": f"#/components/responses/{status}"}))
    return answers


def headers_of(route: Route) -> dict[str, Any]:
    models = ", ".join(MODELS)
    about = {
        REQUEST_HEADER: "The request, as errors and events name it.",
        POSITION_HEADER: "The position of the log that this reflects.",
        BEHIND_HEADER: f"The read models that are not there yet ({models}), if any.",
    }
    if get_origin(answer_of(route.hints)[0]) is list and "per_page" in query_fields(route):
        about["Link"] = "Where the next page is, if there is one."
    if route.keyed and route.takes_body:
        about[REPLAYED_HEADER] = "true if this is the reply of an earlier call of the same key."
    return {
        name: {"description": text, "schema": {"type": "string"}} for name, text in about.items()
    }


def query_fields(route: Route) -> tuple[str, ...]:
    query = route.hints.get("query")
    return query.__struct_fields__ if query is not None else ()


def problem(status: int) -> dict[str, Any]:
    return {
        "description": MEANINGS[status],
        "content": {JSON: {"schema": {"$ref": REF.format(name=Trouble.__name__)}}},
    }
