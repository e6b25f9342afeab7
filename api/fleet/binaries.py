"""Firmware bytes: taken from an upload, kept under their SHA-256, handed out whole or in part."""

import re
from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse

from api.body import BYTES
from api.call import Call
from api.multipart import File
from api.problem import FieldInvalid, RangeUnsatisfiable
from api.routing import Files
from domain.binary_records import BinaryRefused
from domain.bundle import Upload, read_upload
from domain.names import FIRMWARE_BYTES_MAX

UPLOAD_BYTES_MAX = FIRMWARE_BYTES_MAX + 256 * 1024  # with the rest of the form
DOWNLOAD_PIECE_BYTES = 256 * 1024

KEEP = """
    INSERT INTO content.firmware (sha256, bytes) VALUES (%s, %b) ON CONFLICT (sha256) DO NOTHING
"""
PIECE = "SELECT substring(bytes FROM %s FOR %s) FROM content.firmware WHERE sha256 = %s"

RANGE = re.compile(r"bytes=(?P<first>\d{0,12})-(?P<last>\d{0,12})", re.ASCII)


class AssetsUndelivered(BinaryRefused):
    """The bundle carries assets, and assets are not delivered to devices. Build the application
    without them, and upload its .bin."""


def one_file(files: Files) -> File:
    """Raises FieldInvalid if there is not exactly one."""
    if len(files) != 1:
        reason = "is missing" if not files else f"one is taken, {len(files)} were sent"
        raise FieldInvalid(field="file", reason=reason)
    return files[0]


def read_application(content: bytes) -> Upload:
    """The application that was uploaded, bare or in a .zip. Raises a BinaryRefused."""
    upload = read_upload(content)
    if upload.assets:
        raise AssetsUndelivered
    return upload


async def keep_bytes(call: Call, digest: bytes, content: bytes) -> None:
    async with call.cloud.database.writing() as rows:
        await rows.do(KEEP, [digest, content])


def serve_bytes(call: Call, sha256: str, size_bytes: int, file_name: str) -> Response:
    """The bytes, or the range of them that was asked for. Raises RangeUnsatisfiable."""
    etag = f'"{sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f'attachment; filename="{plain(file_name)}"',
        "X-Content-Type-Options": "nosniff",
    }
    asked = call.request.headers
    if etag in [tag.strip() for tag in asked.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    wanted = asked.get("range", "") if asked.get("if-range", etag) == etag else ""
    part = part_of(wanted, size_bytes)
    start, end = part or (0, size_bytes)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size_bytes}"
    headers["Content-Length"] = str(end - start)
    status, kind = (206 if part else 200), BYTES
    if call.request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=kind)
    return StreamingResponse(pieces(call, sha256, start, end), status, headers, media_type=kind)


def part_of(wanted: str, size_bytes: int) -> tuple[int, int] | None:
    """Where a range begins and ends; None for all. Several ranges, or other units, get all."""
    found = RANGE.fullmatch(wanted.strip())
    if found is None or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        start, end = max(0, size_bytes - int(found["last"])), size_bytes
    else:
        start = int(found["first"])
        end = min(size_bytes, int(found["last"]) + 1) if found["last"] else size_bytes
    if start >= end:
        raise RangeUnsatisfiable(found=wanted, size_bytes=size_bytes)
    return start, end


async def pieces(call: Call, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
    """Piece by piece, and no connection held while a slow client takes one."""
    digest = bytes.fromhex(sha256)
    for at in range(start, end, DOWNLOAD_PIECE_BYTES):
        async with call.cloud.database.reading() as rows:
            # SQL counts from one.
            piece = await rows.value(PIECE, [at + 1, min(DOWNLOAD_PIECE_BYTES, end - at), digest])
        assert piece is not None
        yield bytes(piece)


def plain(file_name: str) -> str:
    """A file name with nothing in it that would end the header's value."""
    return re.sub(r"[^A-Za-z0-9._ -]", "_", file_name)
