"""Receiving a body, within its bounds, in any of the encodings that clients of this API use."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from api.fields import FORM_FIELDS_MAX, nested
from api.multipart import File, Multipart
from api.problem import BodyTooLarge, BodyTooSlow, BodyTypeUnknown, BodyUnreadable

SMALL_BYTES_MAX = 64 * 1024
FORM_BYTES_MAX = 1024 * 1024  # urlencoded; longer lists come as JSON or as a file
BODY_TIMEOUT_S = 300

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
TEXT = "text/plain"
BYTES = "application/octet-stream"


class Body:
    """What was sent: an object of fields, files, and a digest of both.

    `lax` says that numbers and booleans are spelled as text, as forms do it.
    """

    def __init__(
        self, fields: Any, digest: bytes, *, lax: bool = False, files: tuple[File, ...] = ()
    ) -> None:
        self.fields = fields
        self.digest = digest
        self.lax = lax
        self.files = files

    def close(self) -> None:
        for file in self.files:
            file.content.close()


async def receive(request: Request, bytes_max: int, *, files: bool) -> Body:
    """Reads the body whole. Raises BodyTooLarge, BodyTooSlow, BodyTypeUnknown or BodyUnreadable."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await receive_as(media_type(request), request, bytes_max, files=files)
    except TimeoutError:
        raise BodyTooSlow(limit_s=BODY_TIMEOUT_S) from None
    except ClientDisconnect:
        raise BodyUnreadable(reason="the connection closed before its end") from None


async def receive_as(kind: str, request: Request, bytes_max: int, *, files: bool) -> Body:
    match kind:
        case "multipart/form-data":
            return await receive_multipart(request, bytes_max, files=files)
        case "text/plain" if files:
            return await receive_text(request, bytes_max)
        case "application/x-www-form-urlencoded":
            raw = await receive_whole(request, min(bytes_max, FORM_BYTES_MAX))
            return Body(form(raw), sha256(raw).digest(), lax=True)
        case "application/json" | "":
            raw = await receive_whole(request, bytes_max)
            return Body(json(raw), sha256(raw).digest())
    raw = await receive_whole(request, bytes_max)
    if raw:
        taken = f"{JSON}, {FORM}, {MULTIPART}" + (f" or {TEXT}" if files else "")
        raise BodyTypeUnknown(found=kind, taken=taken)
    return Body({}, sha256(b"").digest())


def media_type(request: Request) -> str:
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return JSON if found.endswith("+json") else found


async def pieces(request: Request, bytes_max: int) -> AsyncGenerator[bytes, None]:
    """The body as it arrives. Raises BodyTooLarge, before reading anything where it can be seen."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > bytes_max:
        raise BodyTooLarge(limit_bytes=bytes_max)
    size_bytes = 0
    async for piece in request.stream():
        size_bytes += len(piece)
        if size_bytes > bytes_max:
            raise BodyTooLarge(limit_bytes=bytes_max)
        yield piece


async def receive_whole(request: Request, bytes_max: int) -> bytes:
    async with aclosing(pieces(request, bytes_max)) as arriving:
        return b"".join([piece async for piece in arriving])


async def receive_multipart(request: Request, bytes_max: int, *, files: bool) -> Body:
    parts = Multipart(request.headers["content-type"])
    try:
        async with aclosing(pieces(request, bytes_max)) as arriving:
            async for piece in arriving:
                parts.feed(piece)
        parts.finish()
        if parts.files and not files:
            raise BodyUnreadable(reason="no file is taken here")
        fields = nested(parts.fields)
    except BaseException:
        parts.close()
        raise
    return Body(fields, parts.digest(), lax=True, files=tuple(parts.files))


async def receive_text(request: Request, bytes_max: int) -> Body:
    """A bare text is the one file that it would be in a multipart body."""
    file = File("file", "", TEXT)
    try:
        async with aclosing(pieces(request, bytes_max)) as arriving:
            async for piece in arriving:
                file.write(piece)
    except BaseException:
        file.content.close()
        raise
    return Body({}, file.digest(), files=(file,))


def json(raw: bytes) -> Any:
    if not raw.strip():
        return {}
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BodyUnreadable(reason=str(error)) from None
    except RecursionError:
        raise BodyUnreadable(reason="it is nested too deeply") from None


def form(raw: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="strict"
        )
    except UnicodeDecodeError:
        raise BodyUnreadable(reason="a field is not UTF-8") from None
    except ValueError:
        raise BodyUnreadable(reason=f"more than {FORM_FIELDS_MAX} fields") from None
    return nested(pairs)
