"""The JetStream streams that edges and workers own, and which one of its name a stream is."""

from nats.aio.client import Client
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from domain.subjects import (
    DEVICE_EVENTS_STREAM,
    DEVICE_EVENTS_SUBJECTS,
    JOURNAL_STREAM,
    JOURNAL_SUBJECTS,
    PRESENCE_CONNECT,
    PRESENCE_DISCONNECT,
)

DUPLICATES_S = 120.0
JOURNAL_BYTES_MAX = 2 << 30  # a few million handshakes while the log cannot be reached
DEVICE_EVENTS_BYTES_MAX = 2 << 30


def queue(name: str, subjects: list[str], bytes_max: int) -> StreamConfig:
    """A stream whose one reader takes everything in order, and removes what it has stored.

    Not JetStream's work queue: that delivers unacknowledged messages again behind newer ones, and
    the order matters here. A full one refuses what is new, so that its sender knows.
    """
    return StreamConfig(
        name=name,
        subjects=subjects,
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_bytes=bytes_max,
        duplicate_window=DUPLICATES_S,
    )


JOURNAL = queue(
    JOURNAL_STREAM, [JOURNAL_SUBJECTS, PRESENCE_CONNECT, PRESENCE_DISCONNECT], JOURNAL_BYTES_MAX
)
DEVICE_EVENTS = queue(DEVICE_EVENTS_STREAM, [DEVICE_EVENTS_SUBJECTS], DEVICE_EVENTS_BYTES_MAX)


async def make_stream(connection: Client, stream: StreamConfig) -> None:
    """Make it, unless it is there already."""
    streams = connection.jetstream()
    try:
        await streams.stream_info(str(stream.name))
    except NotFoundError:
        await streams.add_stream(stream)


async def identity_of(connection: Client, stream: str) -> str:
    """When the stream was made: one made anew under the same name numbers its messages anew.

    Raises NotFoundError.
    """
    found = await connection.jetstream().stream_info(stream)
    assert found.created is not None
    return found.created.isoformat()


async def last_sequence_of(connection: Client, stream: str) -> int:
    """Raises NotFoundError."""
    return (await connection.jetstream().stream_info(stream)).state.last_seq
