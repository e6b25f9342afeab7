"""The lines of an import, however they are sent: a file, a text, or ids in JSON or a form."""

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from msgspec import Struct

from domain.names import DEVICE_ID_PATTERN

LINE_BYTES_MAX = 1_024
CHUNK_LINES_MAX = 5_000

IS_DEVICE_ID = re.compile(DEVICE_ID_PATTERN).fullmatch


class Line(Struct, frozen=True, gc=False):
    """A line that says something: its number from 1, and its text without blanks around it."""

    number: int
    text: str


def lines_of_file(content: IO[bytes]) -> Iterator[Line]:
    """The lines that are not blank; LF or CRLF ends one. Of a line beyond all bounds, its start."""
    number = 0
    starts = True  # where a line starts, and does not go on
    while raw := content.readline(LINE_BYTES_MAX):
        if starts:
            number += 1
            if number == 1:
                raw = raw.removeprefix(codecs.BOM_UTF8)
            if text := raw.decode("utf-8", "replace").strip():
                yield Line(number, text)
        starts = raw.endswith(b"\n") or len(raw) < LINE_BYTES_MAX


def lines_of_list(ids: Sequence[str]) -> Iterator[Line]:
    for number, given in enumerate(ids, start=1):
        if text := given[:LINE_BYTES_MAX].strip():
            yield Line(number, text)


def in_chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == CHUNK_LINES_MAX:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def device_id_of(line: Line) -> str | None:
    """The device id that a line is, in lower case; None if it is none."""
    device_id = line.text.lower()
    return device_id if IS_DEVICE_ID(device_id) else None
