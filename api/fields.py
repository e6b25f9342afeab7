"""Input fields: forms made to look like JSON, either spelling of a name, errors that say which."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from api.problem import FieldInvalid

T = TypeVar("T", bound=Struct)

FORM_FIELDS_MAX = 10_000
FORM_DEPTH_MAX = 4

KEY = re.compile(r"[^\[\]]+|\[[^\[\]]*\]")
ERROR = re.compile(r"(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Form fields as an object: `a[b]=c` nests; `a[]=c`, `a[0]=c` and `a` sent again make arrays.

    Raises FieldInvalid for a name that is too deep, or that is two things at once.
    """
    found: dict[str, Any] = {}
    for name, text in pairs:
        keys = [key.strip("[]") for key in KEY.findall(name)] or [name]
        if len(keys) > FORM_DEPTH_MAX:
            raise FieldInvalid(field=name, reason=f"nested deeper than {FORM_DEPTH_MAX}")
        place = found
        for key, below in pairwise(keys):
            is_array = not below or below.isdigit()
            place = step(place, key, [] if is_array else {}, name)
        put(place, keys[-1], text, name)
    return found


def step(place: Any, key: str, fresh: Any, name: str) -> Any:
    """What is at a key; made where nothing is yet."""
    if isinstance(place, list):
        place.append(fresh)
        return fresh
    there = place.setdefault(key, fresh)
    if type(there) is not type(fresh):
        raise FieldInvalid(field=name, reason="sent both as one value and as several")
    return there


def put(place: Any, key: str, text: str, name: str) -> None:
    if isinstance(place, list):
        if text:
            place.append(text)
        return
    match place.get(key):
        case None:
            place[key] = text
        case str() as before:
            place[key] = [before, text]  # sent twice, it is several
        case list() as before if "[" not in name:
            before.append(text)
        case _:
            raise FieldInvalid(field=name, reason="sent both as one value and as several")


def understood(kind: type[T], found: Any, *, lax: bool) -> T:
    """The struct that an object means. Unknown fields are ignored: clients send more than we read.

    `lax` takes "3", "true" and "null" for what they spell, as forms and queries cannot say it
    otherwise. Raises FieldInvalid.
    """
    if not isinstance(found, dict):
        raise FieldInvalid(field="body", reason="expected an object")
    wrapper = getattr(kind, "WRAPPER", "")
    if wrapper and isinstance(found.get(wrapper), dict):
        found = {**found, **found[wrapper]}
    spelled = {spellings(kind).get(name, name): value for name, value in found.items()}
    refuse_nul(spelled)
    try:
        return msgspec.convert(spelled, kind, strict=not lax)
    except msgspec.ValidationError as error:
        raise invalid(error) from None


@cache
def spellings(kind: type[Struct]) -> Mapping[str, str]:
    """Every way to spell the fields of a struct: as they are, with underscores, with capitals."""
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    return {
        spelling: name
        for name in names
        for spelling in (snake(name), camel(snake(name)), snake(name).replace("_id", "ID"), name)
    }


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def refuse_nul(value: Any, field: str = "body") -> None:
    """No text may hold a NUL: tables keep none, so an event with one could not be followed."""
    match value:
        case str():
            if "\0" in value:
                raise FieldInvalid(field=field, reason="must not hold the character NUL")
        case dict():
            for name, inner in value.items():
                refuse_nul(inner, name)
        case list():
            for inner in value:
                if not isinstance(inner, str) or "\0" in inner:
                    refuse_nul(inner, field)


def invalid(error: msgspec.ValidationError) -> FieldInvalid:
    """What was wrong, in words: the library's sentence with the field before it."""
    found = ERROR.match(str(error))
    assert found is not None
    what, path = found["what"], (found["path"] or "").removeprefix("$").lstrip(".")
    missing = MISSING.match(what)
    if missing:
        field = f"{path}.{missing['field']}".lstrip(".")
        return FieldInvalid(field=field, reason="is missing")
    reason = what.replace("`", "").replace("null", "nothing")
    return FieldInvalid(field=path or "body", reason=reason[:1].lower() + reason[1:])
