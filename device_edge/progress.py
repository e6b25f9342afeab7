"""What devices report of updates under way: put on record, then acknowledged."""

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from device_edge.connection import drain
from device_edge.handshakes import QUEUE, Clock, utc_now
from device_edge.messages import (
    Malformed,
    ProgressAck,
    ProgressReport,
    encode,
    read,
    refusal,
)
from device_edge.rate import RateLimit
from device_edge.reports import Reports
from device_edge.speaker import speaker_of
from device_edge.welcome import Welcomer
from domain.session import RecordProgress
from domain.subjects import up

decode_report = msgspec.json.Decoder(ProgressReport).decode


class ProgressReports:
    """The update reports of one edge. Several edges share them."""

    def __init__(
        self, welcomer: Welcomer, reports: Reports, limit: RateLimit, clock: Clock = utc_now
    ) -> None:
        self._welcomer = welcomer
        self._reports = reports
        self._limit = limit
        self._clock = clock
        self._subscription: Subscription

    async def serve(self, connection: Client) -> None:
        async def take(message: Msg) -> None:
            refusal = self.take(message)
            if refusal is not None:
                await connection.publish(*refusal)

        self._subscription = await connection.subscribe(up("*", "update"), queue=QUEUE, cb=take)

    async def stop(self) -> None:
        await drain(self._subscription)

    def take(self, message: Msg) -> tuple[str, bytes] | None:
        """Take one report. Returns what is to be said at once, where it was not understood."""
        speaker = speaker_of(message, "ack")
        if speaker is None or not self._limit.take(speaker.key):
            return None
        try:
            said = read(decode_report, message.data)
        except Malformed as malformed:
            return speaker.answers_on, refusal("update", malformed)
        report = RecordProgress(
            device_id=speaker.device_id,
            at=self._clock().isoformat(),
            version=said.version,
            state=said.state,
            reason=said.reason,
            attempts_max=self._welcomer.attempts_max(speaker.key),
        )
        ack = ProgressAck(about="update", version=said.version, state=said.state, id=said.id)
        self._reports.add(encode(report), speaker.answers_on, encode(ack))
        return None
