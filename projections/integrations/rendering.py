"""Templates: mustache, over what JSON can say, within bounds however a template and data conspire.

Values are looked up in objects and arrays and nowhere else: nothing of a program shows through.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import mstache

TAG = "{{"
RENDERED_BYTES_MAX = 256 * 1024
# What a section looks up and goes through: several of them in each other multiply.
STEPS_MAX = 50_000
INTEGRAL_MAX = 2**53  # beyond, a float says no more than it seems to

ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
ESCAPES = str.maketrans(ESCAPED)


class TemplateBroken(Exception):
    """It cannot be read as a template; the message says where."""


class TooMuch(Exception):
    """What a template makes of the data is too long, or takes too long."""


class Context:
    """What templates are rendered over. What is `known` goes before what `data` says."""

    def __init__(self, known: Mapping[str, Any], data: Any = None) -> None:
        """`data` is whatever JSON can be."""
        self.known = known
        self._scope = {**data, **known} if isinstance(data, dict) else data
        self._scopes = () if isinstance(data, dict) else (known,)

    def render(self, template: str) -> str:
        """Raises TooMuch, or TemplateBroken for what `must_be_template` would have refused."""
        if TAG not in template:
            return template
        steps_left, made, size_bytes = STEPS_MAX, list[str](), 0

        def look_up(scope: Any, scopes: Sequence[Any], name: Any, default: Any = None) -> Any:
            nonlocal steps_left
            found = resolved(scope, scopes, name, default)
            steps_left -= 1 + (len(found) if isinstance(found, list) else 0)
            if steps_left < 0:
                raise TooMuch("its sections repeat too often")
            return found

        pieces = mstache.stream(
            template,
            self._scope,
            scopes=self._scopes,
            getter=look_up,
            stringify=spelled_bytes,
            escape=escaped,
        )
        try:
            for piece in pieces:
                made.append(piece)
                size_bytes += len(piece)
                if size_bytes > RENDERED_BYTES_MAX:
                    raise TooMuch(f"it becomes longer than {RENDERED_BYTES_MAX} bytes")
        except mstache.TokenException as error:
            raise TemplateBroken(reason_of(error)) from None
        return "".join(made)

    def render_leaves(self, value: Any) -> Any:
        """The same value, with every text and every name in it rendered. Raises as `render`."""
        match value:
            case str():
                return self.render(value)
            case dict():
                return {
                    self.render(name): self.render_leaves(below) for name, below in value.items()
                }
            case list():
                return [self.render_leaves(below) for below in value]
        return value


def must_be_template(template: str) -> None:
    """Raises TemplateBroken."""
    try:
        mstache.tokenize(template.encode())
    except mstache.TokenException as error:
        raise TemplateBroken(reason_of(error)) from None


def reason_of(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]


def resolved(scope: Any, scopes: Sequence[Any], name: str, default: Any) -> Any:
    """What a name stands for: `a.0.b` is the member b of the first element of a."""
    if name == ".":
        return scope
    first, *further = name.split(".")
    for place in (scope, *reversed(scopes)):
        found = member(place, first, MISSING)
        if found is not MISSING:
            break
    else:
        return default
    for part in further:
        found = member(found, part, MISSING)
        if found is MISSING:
            return default
    return found


MISSING = object()


def member(value: Any, name: str, default: Any) -> Any:
    match value:
        case dict():
            return value.get(name, default)
        case list() if name.isascii() and name.isdigit() and int(name) < len(value):
            return value[int(name)]
    return default


def spelled(value: Any) -> str:
    """A value as text: as JSON, but for text itself."""
    match value:
        case str():
            return value
        case None:
            return ""
        case float() if math.isfinite(value) and value == int(value) < INTEGRAL_MAX:
            return str(int(value))
    return msgspec.json.encode(value).decode()


def spelled_bytes(value: Any, _: bool) -> bytes:
    return spelled(value).encode()


def escaped(text: bytes) -> bytes:
    return text.decode().translate(ESCAPES).encode()
