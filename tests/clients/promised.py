"""What particle-api-js promises its callers: the types of replies that the package brings."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tests.clients.installed import node_modules

TYPES = "particle-api-js/lib/src/types"
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
INTERFACE = re.compile(r"export interface (\w+) \{\n(.*?)\n\}", re.DOTALL)
# Fields stand four spaces in; what they hold may go on for lines that stand deeper.
FIELD = re.compile(r"^ {4}(\w+)(\??): (.*?);$(?=\n {4}\S|\Z)", re.DOTALL | re.MULTILINE)
PLAIN: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def broken(interface: str, reply: Mapping[str, Any]) -> list[str]:
    """Each field of the reply that is not as its type says; one that may be missing may be null."""
    found = []
    for name, optional, kind in interfaces()[interface]:
        if optional and reply.get(name) is None:
            continue
        if name not in reply:
            found.append(f"{name} is missing")
        elif not fits(kind, reply[name]):
            found.append(f"{name} is {reply[name]!r}, not {kind}")
    return found


def fits(kind: str, value: Any) -> bool:
    """Whether a value is of a type, as far as it need be looked into."""
    alternatives = [one.strip() for one in kind.split("|")]
    if len(alternatives) > 1 and not kind.endswith(">"):
        return any(fits(one, value) for one in alternatives)
    if kind in PLAIN:
        return isinstance(value, PLAIN[kind]) and (kind == "boolean" or not is_bool(value))
    if kind.startswith("'"):
        return bool(value == kind.strip("'"))
    if kind.endswith("[]") or kind.startswith("Array<"):
        element = kind.removesuffix("[]") if kind.endswith("[]") else "object"
        return isinstance(value, list) and all(fits(element, one) for one in value)
    if kind in interfaces():
        return isinstance(value, dict) and broken(kind, value) == []
    return isinstance(value, dict)


def is_bool(value: Any) -> bool:
    """Python counts truth values among the numbers; nobody else does."""
    return isinstance(value, bool)


@cache
def interfaces() -> Mapping[str, list[tuple[str, bool, str]]]:
    """The fields of each interface: name, whether it may be left out, type."""
    return dict(declared())


def declared() -> Iterator[tuple[str, list[tuple[str, bool, str]]]]:
    for file in ("common.d.ts", "responses.d.ts"):
        text = COMMENT.sub("", (node_modules() / TYPES / file).read_text())
        text = re.sub(r"^\s*\n", "", text, flags=re.MULTILINE)
        for name, body in INTERFACE.findall(text):
            fields = FIELD.findall(body)
            yield (
                name,
                [(field, bool(mark), " ".join(kind.split())) for field, mark, kind in fields],
            )
