"""Multipart bodies, read as they arrive: fields into memory, files to disk beyond a megabyte."""

from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.problem import BodyUnreadable

PARTS_MAX = 100
FIELD_BYTES_MAX = 64 * 1024
FILE_MEMORY_BYTES = 1024 * 1024
FILE_NAME_CHARACTERS_MAX = 255


class File:
    """One uploaded file; close it when the call is over."""

    def __init__(self, field: str, name: str, content_type: str) -> None:
        self.field = field
        self.name = name
        self.content_type = content_type
        self.size_bytes = 0
        self.content: IO[bytes] = SpooledTemporaryFile(  # noqa: SIM115 - it lives as long as the call
            max_size=FILE_MEMORY_BYTES
        )
        self._digest = sha256()

    def write(self, part: bytes) -> None:
        # To the page cache at worst: quicker than handing it to a thread.
        self.content.write(part)
        self.size_bytes += len(part)
        self._digest.update(part)

    def digest(self) -> bytes:
        return self._digest.digest()

    def rewind(self) -> IO[bytes]:
        self.content.seek(0)
        return self.content


class Multipart:
    """Fed a body piece by piece; afterwards it has its fields and its files."""

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise BodyUnreadable(reason="multipart without a boundary")
        self.fields: list[tuple[str, str]] = []
        self.files: list[File] = []
        self._header_name = bytearray()
        self._header = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._field = ""
        self._text = bytearray()
        self._file: File | None = None
        self._parts = 0
        self._ended = False
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header_name,
            "on_header_value": self._on_header,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._on_content,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise BodyUnreadable(reason=str(error)) from None

    def feed(self, piece: bytes) -> None:
        """Raises BodyUnreadable."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise BodyUnreadable(reason=str(error)) from None

    def finish(self) -> None:
        """Raises BodyUnreadable if the body stopped before its end."""
        if not self._ended:
            raise BodyUnreadable(reason="the multipart body is not complete")

    def digest(self) -> bytes:
        """Of what was sent, whatever boundary stood between."""
        digest = sha256(repr(self.fields).encode("utf-8", "surrogatepass"))
        for file in self.files:
            digest.update(repr((file.field, file.name)).encode("utf-8", "surrogatepass"))
            digest.update(file.digest())
        return digest.digest()

    def close(self) -> None:
        for file in self.files:
            file.content.close()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise BodyUnreadable(reason=f"more than {PARTS_MAX} parts")
        self._headers.clear()
        self._text.clear()
        self._file = None

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _end_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header)
        self._header_name.clear()
        self._header.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"name" not in options:
            raise BodyUnreadable(reason="a part has no name")
        self._field = text(options[b"name"])
        if b"filename" in options:
            name = text(options[b"filename"])[:FILE_NAME_CHARACTERS_MAX]
            kind = text(self._headers.get(b"content-type", b""))
            self._file = File(self._field, name, kind)
            self.files.append(self._file)

    def _on_content(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
            return
        self._text += data[start:end]
        if len(self._text) > FIELD_BYTES_MAX:
            raise BodyUnreadable(
                reason=f"the field {self._field} has more than {FIELD_BYTES_MAX} bytes"
            )

    def _end_part(self) -> None:
        if self._file is None:
            self.fields.append((self._field, text(bytes(self._text))))

    def _end(self) -> None:
        self._ended = True


def text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BodyUnreadable(reason="a field is not UTF-8") from None
