"""Golden events of whose a device is, and of the codes that claim one; see `expected`."""

from domain import claim_code, ownership, session
from domain.hello import Answer, Hello, Told
from domain.model import Event
from domain.recorded import Provenance

ID = "e00fce681234567890abcdef"
USER, OTHER = "5f1e0c0000000000000000ce", "5f1e0c0000000000000000cf"
TRANSFER = "5f1e0c0000000000000000dd"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
UNTIL = "2030-01-15T10:00:00.000Z"
ANN = Provenance(f"user:{USER}", "http 127.0.0.1", "request-1", command="command-1")
NOBODY = Provenance()

OWNERS: list[tuple[Event, Provenance]] = [
    (ownership.DeviceClaimed(device_id=ID, user_id=USER), ANN),
    (ownership.DeviceUnclaimed(device_id=ID, user_id=USER), ANN),
    (
        ownership.TransferRequested(
            device_id=ID, transfer_id=TRANSFER, user_id=OTHER, owner=USER, expires_at=UNTIL
        ),
        ANN,
    ),
    (ownership.TransferWithdrawn(device_id=ID, transfer_id=TRANSFER), ANN),
    (ownership.TransferDeclined(device_id=ID, transfer_id=TRANSFER), ANN),
    (ownership.TransferAccepted(device_id=ID, transfer_id=TRANSFER), ANN),
    (
        claim_code.ClaimCodeIssued(code_hash=HASH, user_id=USER, product_id=7000, expires_at=UNTIL),
        ANN,
    ),
    (
        claim_code.ClaimCodeIssued(code_hash=HASH, user_id=USER, product_id=None, expires_at=UNTIL),
        ANN,
    ),
    (
        claim_code.ClaimCodeShown(code_hash=HASH, user_id=USER, product_id=None, device_id=ID),
        Provenance("reaction:show_claim_code", cause=40),
    ),
    (
        session.DeviceHandshook(
            device_id=ID,
            product_id=None,
            said=Hello(claim_code=HASH),
            told=Answer(told=Told.UNKNOWN),
            based_on=0,
            running=None,
            at="2030-01-01T10:00:00.000000Z",
        ),
        NOBODY,
    ),
]
