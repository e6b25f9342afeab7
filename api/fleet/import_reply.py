"""The reply to an import, written bucket by bucket as lines are decided: some 30 bytes a line."""

import msgspec

INVALID_EXPLAINED_MAX = 10_000

encode = msgspec.json.Encoder().encode


class Bucket:
    """A JSON array of strings, in the making."""

    def __init__(self) -> None:
        self.count = 0
        self._written = bytearray()

    def put(self, device_id: str) -> None:
        """Put a device id in, which needs no escaping."""
        self._written += b',"%b"' % device_id.encode() if self.count else f'"{device_id}"'.encode()
        self.count += 1

    def put_json(self, item: bytes) -> None:
        if self.count:
            self._written += b","
        self._written += item
        self.count += 1

    def to_json(self) -> bytes:
        return b"[%b]" % bytes(self._written)


class ImportReply:
    """Every line is in exactly one bucket; the invalid ones with the reason beside."""

    def __init__(self) -> None:
        self.updated = Bucket()
        self.existing = Bucket()
        self.nonmember = Bucket()
        self.invalid = Bucket()
        self.protected = Bucket()
        self._reasons = Bucket()

    def put_invalid(self, number: int, text: str, reason: str) -> None:
        self.invalid.put_json(encode(text))
        if self._reasons.count < INVALID_EXPLAINED_MAX:
            explained = {"line": number, "id": text, "reason": reason}
            self._reasons.put_json(encode(explained))

    def to_json(self, position: int | None) -> bytes:
        unexplained = self.invalid.count - self._reasons.count
        parts = [
            b'{"ok":true,"updated":%d,"existing":%d,"invalid":%d'
            % (self.updated.count, self.existing.count, self.invalid.count),
            b',"updatedDeviceIds":' + self.updated.to_json(),
            b',"existingDeviceIds":' + self.existing.to_json(),
            b',"nonmemberDeviceIds":' + self.nonmember.to_json(),
            b',"invalidDeviceIds":' + self.invalid.to_json(),
            b',"protectedDeviceIds":' + self.protected.to_json(),
            b',"invalidReasons":' + self._reasons.to_json(),
            b',"invalidReasonsOmitted":%d' % unexplained,
            b',"position":' + encode(position) + b"}",
        ]
        return b"".join(parts)
