"""Which device a message is from, and where it listens for the answer."""

from typing import NamedTuple

from nats.aio.msg import Msg

from device_edge.credentials import is_device_id
from domain.subjects import down


class Speaker(NamedTuple):
    device_id: str
    key: bytes  # the id as the facts are kept by
    answers_on: str


def speaker_of(message: Msg, what: str) -> Speaker | None:
    """The device that speaks: NATS lets each one publish under its own id only.

    None for a subject without a device id, which only our own processes could have published on.
    """
    device_id = message.subject[2:26]  # d.<device id>.up.…
    if not is_device_id(device_id):
        return None
    reply = message.reply
    # A NATS device may ask for the answer in its inbox, but have us publish nowhere else.
    own = bool(reply) and reply.startswith(f"_INBOX_{device_id}.") and is_plain(reply)
    return Speaker(device_id, bytes.fromhex(device_id), reply if own else down(device_id, what))


def is_plain(subject: str) -> bool:
    """Whether it can be published on: no wildcards, no blanks."""
    return subject.isprintable() and not any(mark in subject for mark in "*> ")
